/*
 * inputs - the files that a project was read from, and those that would have
 * been read if they had been there.
 *
 * Two loads whose inputs are equal read the same: this is what a watcher watches
 * and what an approval approves.  Contents are kept as digests only, since env
 * files have secrets.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "base/sha256.h"

struct error;

struct config_input {
	char *path;                      /* absolute */
	char digest[SHA256_DIGEST_SIZE]; /* "": not there, or it cannot be read */
};

struct config_inputs {
	ARRAY(struct config_input) list;
};

#define CONFIG_INPUTS_INIT                                                                         \
	{                                                                                          \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

void config_inputs_release(struct config_inputs *inputs);

/* text NULL: it is not there.  A path that is there already is not added again. */
void config_inputs_note(struct config_inputs *inputs, const char *path, const char *text,
                        size_t len);
/* Reads the file for it. */
void config_inputs_note_file(struct config_inputs *inputs, const char *path);

/* NULL when there is no such path. */
const struct config_input *config_inputs_find(const struct config_inputs *inputs, const char *path);

/* Is everything on the disk as it was noted?  Reads the files. */
bool config_inputs_are_current(const struct config_inputs *inputs);

/* One digest of all paths and contents that are there. */
void config_inputs_digest(const struct config_inputs *inputs, char out[SHA256_DIGEST_SIZE]);

/* The first path whose content differs between the two, from either; NULL: none. */
const char *config_inputs_first_change(const struct config_inputs *before,
                                       const struct config_inputs *now);

/* {"<path>": "<digest>"}, and back. */
json_t *config_inputs_to_json(const struct config_inputs *inputs);
void config_inputs_from_json(const json_t *object, struct config_inputs *inputs);
