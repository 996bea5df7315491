/*
 * build_key - what a build depends on, remembered so that the same is not built twice.
 *
 * A key is a JSON object: digests of builder, run image and source, the settings, and
 * a digest of each variable (never its value).  build_key_reason() tells in words what
 * is different.
 */
#pragma once

#include "base/json.h"

struct build_request;
struct error;
struct source;

/* builder and run are digests of manifests. */
json_t *build_key_new(const struct build_request *request, const char *builder, const char *run,
                      const struct source *source);

/* The last build: {key, image}.  NULL when there is none that can be read. */
json_t *build_record_load(const char *path);
int build_record_save(const char *path, const json_t *key, const char *image, struct error *err);

/* Why a build is needed: NULL when the keys are equal. */
char *build_key_reason(const json_t *before, const json_t *after, const struct source *old_source,
                       const struct source *source) must_check;
