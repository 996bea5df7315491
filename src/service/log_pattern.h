/*
 * log_pattern - a text that every match of a regular expression contains.
 *
 * Looking for a plain text is many times faster than matching, so it comes first.
 * Reads POSIX extended expressions as regcomp(3) of glibc does, and errs on the
 * side of finding nothing: an alternative, a group or a repetition contributes no
 * text.  Case counts.
 */
#pragma once

#include "base/attrs.h"

/* The longest such text, or NULL; the caller's. */
char *log_pattern_literal(const char *pattern) must_check;
