/*
 * builder_config - a builder.toml, read and checked.
 *
 * Every mistake is an error with file:line:column.  Paths are made absolute from the
 * file's own folder.  Does not look at images or buildpack folders.
 */
#pragma once

#include "base/array.h"
#include "base/str.h"
#include "config/toml.h"

struct builder_buildpack {
	char *dir;          /* of its buildpack.toml */
	char *id, *version; /* NULL: what its buildpack.toml says */
	struct toml_pos pos;
};

struct builder_order_item {
	char *id, *version; /* version NULL: the one the builder has */
	bool is_optional;
	struct toml_pos pos;
};

struct builder_order_group {
	ARRAY(struct builder_order_item) items;
};

struct builder_config {
	char *file;
	char *description;
	char *build_image, *run_image;
	struct toml_pos build_pos, run_pos;
	struct strv build_env; /* NAME=value for the buildpacks */
	ARRAY(struct builder_buildpack) buildpacks;
	ARRAY(struct builder_order_group) order;
};

void builder_config_release(struct builder_config *config);
int builder_config_read(const char *path, struct builder_config *ret, struct error *err);

/* "file:line:column: …" with ERR_CONFIG. */
int builder_config_error(const struct builder_config *config, struct toml_pos pos,
                         struct error *err, const char *fmt, ...) printf_like(4, 5);
