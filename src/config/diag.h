/*
 * diag - what is wrong in configuration files, each finding with its place.
 *
 * A diagnostic has a stable id (see diag_title(); "C…" is an error, "W…" a
 * warning), a text, perhaps help, and the places it speaks of, each with the
 * source line, so that it can be rendered far from the file: the daemon sends
 * diagnostics as JSON and the CLI renders them.
 *
 * Collecting stops at DIAG_MAX findings.  Prints nothing.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "config/toml.h"

struct error;
struct strbuf;

#define DIAG_MAX 100

struct diag_place {
	char *file; /* as shown to the user; line 0 means the file as a whole */
	struct toml_pos pos;
	char *source; /* the line, or NULL */
	char *label;  /* "web.depends_on" where there are several places, or NULL */
};

struct diagnostic {
	char id[8];
	char *text;
	char *help; /* or NULL */
	ARRAY(struct diag_place) places;
};

struct diagnostics {
	ARRAY(struct diagnostic) items;
	size_t dropped; /* findings beyond DIAG_MAX */
};

#define DIAGNOSTICS_INIT                                                                           \
	{                                                                                          \
		0                                                                                  \
	}

void diagnostics_release(struct diagnostics *diags);

/* One text that places point into: a file's name as shown, and its content. */
struct diag_source {
	const char *name;
	const char *text; /* or NULL: no source lines */
	size_t len;
};

/* Adds a finding; the result is valid until the next is added. */
struct diagnostic *diag_add(struct diagnostics *diags, const char *id, const char *fmt, ...)
	printf_like(3, 4);
/* Adds a place to it; label may be NULL. */
void diag_at(struct diagnostic *diag, const struct diag_source *source, struct toml_pos pos,
             const char *label);
void diag_help(struct diagnostic *diag, const char *fmt, ...) printf_like(2, 3);

/* Is there a finding with this id? */
bool diag_has(const struct diagnostics *diags, const char *id);
bool diag_is_error(const struct diagnostic *diag);
size_t diag_error_count(const struct diagnostics *diags);

/* Fills err (ERR_CONFIG) from the first error: "file:line:col: text", and " (and N more)". */
int diag_to_error(const struct diagnostics *diags, struct error *err);

/* As cargo shows it; one finding, or all with an empty line between. */
void diag_render(const struct diagnostic *diag, bool colour, struct strbuf *out);
void diag_render_all(const struct diagnostics *diags, bool colour, struct strbuf *out);

json_t *diag_to_json(const struct diagnostics *diags);
int diag_from_json(const json_t *array, struct diagnostics *diags, struct error *err);

/* One line about an id ("unknown key"), NULL for an id that does not exist. */
const char *diag_title(const char *id);
/* The n-th id, NULL after the last: for `locald explain` and its tests. */
const char *diag_id_at(size_t n);
