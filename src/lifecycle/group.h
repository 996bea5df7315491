/*
 * group - lists of buildpacks: the order a builder offers, and the group that was detected.
 *
 * Files: order.toml and group.toml of the Platform specification.  Image extensions
 * are refused by name.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"

#include <stdbool.h>

struct error;

struct group_item {
	char *id, *version;
	char *api, *homepage; /* in group.toml only; may be NULL */
	bool is_optional;
};

struct group {
	ARRAY(struct group_item) items;
};

struct order {
	ARRAY(struct group) groups;
};

void group_release(struct group *group);
void group_add(struct group *group, const struct group_item *item); /* copies */
void order_release(struct order *order);

/* [{group: [{id, version, optional}]}], of order.toml or of a composite buildpack. */
int order_from_json(const json_t *order, struct order *ret, struct error *err);

int group_read(const char *path, struct group *ret, struct error *err);
int group_write(const char *path, const struct group *group, struct error *err);
