/*
 * glob - patterns for paths: `*` and `?` within a name, `**` for any number of
 * folders, `[a-z]`, `[!a-z]`, `\` before a character that is meant as it is.
 *
 * Paths and patterns are split at slashes; a leading slash is of no matter, so
 * both are to be absolute or both relative.  Matching takes time proportional to
 * the lengths multiplied, whatever the pattern.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct strv;

/* Is the path, or a folder that it is in, what the pattern says? */
bool glob_matches(const char *pattern, const char *path);
/* Can there be something in this folder, at whatever depth, that matches? */
bool glob_leads_to(const char *pattern, const char *folder);

/* The folders before the first one that has a special character, with no slash at the end. */
char *glob_literal_folder(const char *pattern) must_check;

/* "src/{a,b}" to "src/a" and "src/b"; -1 when it is not well formed, or more than max. */
int glob_expand(const char *pattern, size_t max, struct strv *out, struct error *err);
