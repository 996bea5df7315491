/*
 * layer - the layers a buildpack keeps below <layers>/<escaped id>.
 *
 * A layer is a NAME.toml with its types and metadata, and perhaps a directory
 * NAME with its files.  launch.toml, build.toml and store.toml are no layers.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"

#include <stdbool.h>

struct error;

struct layer {
	char *name;
	char *dir; /* its path, whether it is there or not */
	bool is_launch, is_build, is_cache;
	bool has_dir;
	json_t *metadata; /* or NULL */
};

struct layers {
	ARRAY(struct layer) items; /* sorted by name */
};

void layers_release(struct layers *layers);

/* A malformed file is an error that names it. */
int layers_read(const char *buildpack_layers, struct layers *ret, struct error *err);

/* NAME.toml with the metadata alone: how a restored layer begins. */
int layer_write_metadata(const char *buildpack_layers, const char *name, const json_t *metadata,
                         struct error *err);
/* Removes NAME.toml and NAME. */
int layer_remove(const char *buildpack_layers, const char *name, struct error *err);

/* The "data", "build", "launch" and "cache" members of labels. */
json_t *layer_to_json(const struct layer *layer);

/* A layer's name comes from outside too (labels, caches): one path component, no dot first. */
bool layer_name_is_valid(const char *name);
