/*
 * scratch - the directories that the phases of one build share, and their owner.
 *
 *   DIR/layers     empty, but for order.toml where the build has an order of its own
 *   DIR/workspace  the copy of the source
 *   DIR/platform   env/NAME files, and the host's certificates as a service binding
 *   DIR/layout     the run image and the previous image, sparse; the new image
 *   CACHE/cache    the layers' cache; stays from build to build
 *
 * All of it belongs to the builder's user.  Blocks on the disk.
 */
#pragma once

#include "cnb/owner.h"
#include "oci/image.h"

struct error;
struct source;

/* Names of images in the layout, the same for every build so that images can be reproduced. */
#define SCRATCH_RUN_IMAGE      "locald.local/run"
#define SCRATCH_PREVIOUS_IMAGE "locald.local/previous"
#define SCRATCH_APP_IMAGE      "locald.local/app"
#define SCRATCH_APP_PATH       "locald.local/app/latest"

struct scratch {
	const char *cache; /* the build cache directory */
	char *dir;         /* CACHE/work-XXXXXX; removed by scratch_remove() */
	const struct owner *owner;
};

struct scratch_content {
	const struct store *store;
	const struct image *run, *previous; /* previous may be NULL */
	const struct strv *env;             /* NAME=value */
	const char *order;                  /* text of order.toml, or NULL */
};

int scratch_create(struct scratch *scratch, const char *cache, const struct owner *owner,
                   const struct scratch_content *content, struct error *err);
/* Puts the source into DIR/workspace. */
int scratch_add_source(const struct scratch *scratch, int folder, const struct source *source,
                       struct error *err);
int scratch_forget_cache(const char *cache, struct error *err);
/* Removes what earlier builds that were killed have left in the cache directory. */
int scratch_sweep(const char *cache, struct error *err);
int scratch_remove(struct scratch *scratch, struct error *err);
