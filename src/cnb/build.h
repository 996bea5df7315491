/*
 * build - the platform side of a buildpacks build: source folder in, image out.
 *
 * A build has a key: builder, run image, buildpacks, environment, settings and a
 * fingerprint of the source.  When the key is the last one and its image is
 * still in the store, nothing is started and nothing is written.  Otherwise the
 * phases analyze, detect, restore, build and export run one after the other, each in
 * a container of its own as the builder's user, and the image takes its name last:
 * a build that fails or is cancelled leaves the previous image.
 *
 * Blocks, and takes SIGTERM and SIGINT while it works (ERR_INTERRUPTED).  Two
 * builds with one cache directory wait for each other.
 * Platform API 0.12 and 0.13; see the Platform specification of buildpacks.io.
 */
#pragma once

#include "base/attrs.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct cnb_events;
struct error;

struct build_request {
	const char *store;      /* the image store */
	const char *cache;      /* this service's build cache; made when missing */
	const char *shim;       /* the locald-shim program */
	const char *builder;    /* an image of the store */
	const char *run_image;  /* NULL: the one the builder names */
	const char *source;     /* the folder to build */
	const char *image;      /* the name the result gets */
	const char *process;    /* default process type; NULL: the buildpacks choose */
	struct strv buildpacks; /* ids or id@version of the builder, in order; empty: its order */
	struct strv env;        /* NAME=value for the buildpacks */
	struct strv exclude;    /* patterns of .gitignore form, besides the project's own */
	bool no_cache;          /* forget cached layers first */
	bool force;             /* build even when the key is the last one */
	bool verbose;           /* the lifecycle explains itself */
};

void build_request_release(struct build_request *request);

struct build_result {
	char *digest; /* of the manifest */
	char *reason; /* why it was built ("package-lock.json changed"); "unchanged" for a hit */
	bool is_hit;
	int64_t duration_ms;
};

void build_result_release(struct build_result *result);

int build_run(const struct build_request *request, const struct cnb_events *events,
              struct build_result *ret, struct error *err);
