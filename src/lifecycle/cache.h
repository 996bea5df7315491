/*
 * cache - the build cache directory: tars of cached layers between two builds.
 *
 * committed/ holds "sha256:<hex>.tar" files and the metadata that names them; a new
 * generation grows in staging/ and replaces it by renames.  A tar that stays is linked, not
 * copied, and a generation equal to the last one is not written at all.
 *
 * Format: that of the reference lifecycle, so that a cache can change hands.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>

struct error;

struct cache {
	char *dir;
	json_t *metadata; /* {buildpacks: [{key, version, layers: {NAME: {sha, data, …}}}]} */
	json_t *next;     /* what the new generation will say; NULL before cache_begin() */
};

void cache_release(struct cache *cache);

/* A missing directory is made; a cache whose metadata cannot be read counts as empty. */
int cache_open(const char *dir, struct cache *ret, struct error *err);

/* The metadata of one buildpack's layers; NULL when there is none.  Borrowed. */
json_t *cache_layers(const json_t *metadata, const char *buildpack_id);

/* The tar of a digest in the committed generation, whether it is there or not. */
char *cache_tar(const struct cache *cache, const char *digest) must_check;

int cache_begin(struct cache *cache, struct error *err);
bool cache_has(const struct cache *cache, const char *digest);
/* Keeps a committed tar in the new generation. */
int cache_keep(const struct cache *cache, const char *digest, struct error *err);
/* Copies a tar into the new generation. */
int cache_put(const struct cache *cache, const char *digest, const char *file, struct error *err);
/*
 * A directory of the new generation for image_layer_make(), and what it made there taken as
 * the tar of that digest.
 */
char *cache_workshop(const struct cache *cache, struct error *err) must_check;
int cache_take(const struct cache *cache, const char *digest, struct error *err);
/* The layer's entry for the new generation; takes the reference. */
void cache_note(struct cache *cache, const char *buildpack_id, const char *version,
                const char *layer, json_t *entry);
int cache_commit(struct cache *cache, struct error *err);
