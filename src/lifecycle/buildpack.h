/*
 * buildpack - one buildpack of the builder, as its buildpack.toml describes it.
 *
 * A component buildpack has programs, a composite one has an order of groups.
 * One whose Buildpack API is not ours is not loaded (exit code 12).
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>

struct error;

struct buildpack {
	char *id, *version, *api, *name, *homepage, *dir;
	int api_minor; /* of 0.<minor> */
	bool clears_env;
	struct strv sbom_formats;
	json_t *order;   /* of a composite: [{group: [{id, version, optional}]}]; else NULL */
	json_t *targets; /* [{os, arch, distros}] or NULL */
};

void buildpack_free(struct buildpack *buildpack);
DEFINE_FREEP(buildpack)

/* <dir>/<escaped id>/<version>/buildpack.toml */
struct buildpack *buildpack_load(const char *buildpacks_dir, const char *id, const char *version,
                                 struct error *err) must_check;
