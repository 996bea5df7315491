/*
 * procfile - reads a Procfile: "name: command", one process a line.
 *
 * Empty lines and lines that begin with # are skipped.  A name is a letter or
 * digit, then letters, digits, - and _.  A name twice is an error.
 */
#pragma once

#include "base/array.h"
#include "config/toml.h"

struct error;

#define PROCFILE_MAX_BYTES   (1u << 18)
#define PROCFILE_MAX_ENTRIES 1000u

struct procfile_entry {
	char *name, *command;
	struct toml_pos name_pos, command_pos;
};

struct procfile {
	ARRAY(struct procfile_entry) entries;
};

#define PROCFILE_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void procfile_release(struct procfile *procfile);

/* On failure err has the text without the position, and *ret_pos where it is. */
int procfile_parse(const char *text, size_t len, struct procfile *out, struct toml_pos *ret_pos,
                   struct error *err);

const struct procfile_entry *procfile_find(const struct procfile *procfile, const char *name);
