/*
 * volume - one entry of `volumes`: "./data:/data", "/srv:/srv:ro", "cache:/var/cache".
 *
 * A source that begins with `.`, `/` or `~/` is a path of the host; a relative one
 * lies in the project.  Anything else is the name of a volume that locald keeps.
 * A target is absolute and clean; nothing can be put over what every container has
 * (/, /proc, /sys, /dev).  Parses text, looks at nothing.
 */
#pragma once

#include "base/array.h"
#include "config/diag.h"

#include <stdbool.h>

struct config_file;
struct error;

#define VOLUMES_MAX     64u
#define VOLUME_NAME_MAX 64

struct volume_config {
	char *source; /* as written */
	char *target;
	bool is_named, is_readonly;
	bool no_copy; /* a new volume stays empty, whatever the image has in that folder */
	const struct config_file *file;
	struct toml_pos pos;
};
struct volume_list {
	ARRAY(struct volume_config) list;
};

/* The caller releases `ret` in any case. */
int volume_parse(const char *text, struct volume_config *ret, struct error *err);
void volume_config_release(struct volume_config *volume);
void volume_list_release(struct volume_list *volumes);
/* As it was written, for people and for comparison. */
char *volume_text(const struct volume_config *volume) must_check;

/* Letters, digits, `_`, `.` and `-`, a letter or digit first. */
bool volume_is_name(const char *name);
