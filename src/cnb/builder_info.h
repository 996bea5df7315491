/*
 * builder_info - what a builder image says about itself in its labels.
 *
 * Written by builder_create, read by build; builders of other tools say the same.
 */
#pragma once

#include "base/json.h"
#include "oci/image.h"

#define LABEL_BUILDER "io.buildpacks.builder.metadata"
#define LABEL_LAYERS  "io.buildpacks.buildpack.layers"
#define LABEL_ORDER   "io.buildpacks.buildpack.order"

struct builder_info {
	json_t *metadata;        /* of LABEL_BUILDER */
	const char *run_image;   /* NULL when it names none; borrowed from metadata */
	const char *description; /* "" when it has none; borrowed from metadata */
	char platform_api[8];    /* the highest that we and it speak */
};

void builder_info_release(struct builder_info *info);

/* ERR_NOT_FOUND when the image is no builder, ERR_UNSUPPORTED when we cannot drive it. */
int builder_info_read(const struct image *image, const char *name, struct builder_info *ret,
                      struct error *err);

/* Its buildpacks: [{id, version}].  Borrowed, NULL for none. */
const json_t *builder_info_buildpacks(const struct builder_info *info);

/* order.toml of one group of "id" or "id@version"; ERR_NOT_FOUND for one it does not have. */
struct strbuf;
int builder_info_order(const struct builder_info *info, const struct strv *ids, struct strbuf *ret,
                       struct error *err);
