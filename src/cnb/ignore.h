/*
 * ignore - which paths of a source folder a list of patterns leaves out.
 *
 * Patterns have the form of .gitignore: the last one that matches decides, "!" takes back,
 * a trailing "/" means directories, a "/" elsewhere ties the pattern to the folder, "**"
 * crosses directories.  With IGNORE_ROOTED (.dockerignore) every pattern is tied to it.
 *
 * Pure but for ignore_add_file().
 */
#pragma once

#include "base/array.h"

#include <stdbool.h>

struct error;

#define IGNORE_ROOTED 1

struct ignore_rule {
	char *pattern;
	bool is_negated, is_rooted, only_dirs;
};

struct ignore {
	ARRAY(struct ignore_rule) rules;
};

void ignore_release(struct ignore *ignore);

/* One line of a file: comments and blank lines add nothing. */
void ignore_add(struct ignore *ignore, const char *line, unsigned flags);
/* A missing file adds nothing. */
int ignore_add_file(struct ignore *ignore, int dir, const char *name, unsigned flags,
                    struct error *err);

/* path: relative, without "./".  Says nothing about the directories above it. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir);
