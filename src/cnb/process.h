/*
 * process - the process types of a built image, read from its labels.
 *
 * A type is started by the image's own launcher (/cnb/process/TYPE); the command here
 * is for showing.  Does not touch the store: it is given the image's config.
 */
#pragma once

#include "base/array.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

struct error;

struct cnb_process {
	char *type;
	struct strv command; /* command and its default arguments */
	bool is_default;
};

struct cnb_processes {
	ARRAY(struct cnb_process) items;
};

void cnb_processes_release(struct cnb_processes *processes);

/* `config` is the OCI image config; ERR_NOT_FOUND when no buildpacks built it. */
int cnb_processes_read(const json_t *config, struct cnb_processes *ret, struct error *err);
