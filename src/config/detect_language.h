/*
 * detect_language - services of projects by what their language's files say; the steps
 * of detect.c that guess.  Nothing outside includes it.
 */
#pragma once

#include "config/detect.h"

/* One detection on its way. */
struct detecting {
	const char *root;
	const struct strv *env;
	struct draft *draft;
	struct detection *detection;
	struct diagnostics *refused;
};

/* NULL when there is no such file, or when it cannot be read (told). */
const struct diag_source *detect_open(struct detecting *d, const char *name);
bool detect_has(const struct detecting *d, const char *name);

/* `web` of a package.json, unless there is one already. */
void detect_package(struct detecting *d);
/* The first of Python, Go, Rust and Ruby. */
void detect_languages(struct detecting *d);
