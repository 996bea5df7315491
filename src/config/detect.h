/*
 * detect - what a folder says of how its project is run.
 *
 * Looks at the files that projects have anyway (process-compose.yaml, Procfile,
 * package.json, compose.yaml, and the usual ones of Python, Go, Rust and Ruby), and
 * puts a service for each into a draft, with a note from which file it is.  What a
 * Procfile or process-compose.yaml says goes before what can be guessed.
 *
 * Reads files of that folder only, and runs nothing.
 */
#pragma once

#include "base/str.h"
#include "config/draft.h"

/* What was found; the draft borrows its sources, so release the draft first. */
struct detection {
	struct strv found; /* "package.json (vite)", for people */
	size_t used;       /* files that gave a service */
	ARRAY(struct diag_source *) sources;
};

void detection_release(struct detection *detection);

/*
 * Fills the draft from the folder.  -1 with err and `refused` when a file that counts is
 * broken.  A folder with nothing leaves the draft empty.
 */
int detect_project(const char *root, const struct strv *env, struct draft *draft,
                   struct detection *ret, struct diagnostics *refused, struct error *err);

/* One file, by what it is: `locald init --from`. */
int detect_from(const char *root, const char *path, const struct strv *env, struct draft *draft,
                struct detection *ret, struct diagnostics *refused, struct error *err);

/* The shell's environment and the folder's .env under it, for what is expanded now. */
int detect_environment(const char *root, struct strv *out, struct diagnostics *refused,
                       struct error *err);
