/*
 * draft - a locald.toml on its way: lines, each with the place it comes from.
 *
 * Those who make one (init, imports) put lines into sections, and say what of
 * their source they leave out and why; that becomes a comment and a warning
 * (W003) at its place, so nothing is dropped in silence.  draft_settle() holds
 * the result against the schema and the checks of a real load: a line that is
 * refused becomes such a comment too.  What draft_render() gives afterwards
 * passes `locald config check`.
 *
 * Owns copies of all texts; sources are borrowed until it is released.
 */
#pragma once

#include "base/array.h"
#include "config/diag.h"

#include <stdbool.h>
#include <stdint.h>

struct config_command;
struct error;
struct strbuf;
struct strv;

/* Where a line comes from; line 0 is the file as a whole. */
struct draft_origin {
	const struct diag_source *source;
	struct toml_pos pos;
};

struct draft_line {
	char *text; /* TOML without a line's end; may have several lines */
	char *note; /* "compose.yaml:12" */
	char *why;  /* left out: because of this; NULL: it counts */
	struct draft_origin from;
	int first, last; /* in the text that was rendered last */
};

struct draft_section {
	char *name;   /* of the service in locald.toml; NULL: [project] or [env] */
	char *source; /* what it is called where it comes from */
	char *note, *why;
	struct draft_origin from;
	ARRAY(struct draft_line) lines;
	int first; /* its header, in the text that was rendered last */
};

struct draft {
	char *title; /* of the first comment: "`locald init --from compose.yaml`" */
	struct draft_section project, env;
	ARRAY(struct draft_section *) services;
	struct diagnostics diags; /* what was left out */
};

void draft_release(struct draft *draft);

/* A new service; its name is changed where locald would not take it, or has it already. */
struct draft_section *draft_add_service(struct draft *draft, const char *name,
                                        struct draft_origin from);
/* By what it is called in its source; NULL. */
struct draft_section *draft_find_service(const struct draft *draft, const char *source);
/* Services that are not left out. */
size_t draft_count(const struct draft *draft);

/* `table` is NULL, or puts the key below it on one line: "env". */
void draft_put_str(struct draft_section *section, struct draft_origin from, const char *table,
                   const char *key, const char *value);
void draft_put_int(struct draft_section *section, struct draft_origin from, const char *key,
                   int64_t value);
void draft_put_bool(struct draft_section *section, struct draft_origin from, const char *key,
                    bool value);
void draft_put_strv(struct draft_section *section, struct draft_origin from, const char *key,
                    const struct strv *items);
/* `text` is TOML: `health_check = { … }`. */
void draft_put_toml(struct draft_section *section, struct draft_origin from, const char *text);
/* The section has a line that counts for this key. */
bool draft_has(const struct draft_section *section, const char *key);

/* A comment for the reader; nothing is lost. */
void draft_remark(struct draft_section *section, const char *text);
/* What is left out, with its reason. */
void draft_leave_out(struct draft *draft, struct draft_section *section, struct draft_origin from,
                     const char *fmt, ...) printf_like(4, 5);
/* The service as a whole; its lines stay as comments. */
void draft_skip(struct draft *draft, struct draft_section *section, const char *fmt, ...)
	printf_like(3, 4);

void draft_render(struct draft *draft, struct strbuf *out);

/*
 * Leaves out what `locald config check` would refuse in this folder.  ERR_CONFIG, with
 * `refused` filled, when what is wrong is not in the draft, or nothing to run is left.
 */
int draft_settle(struct draft *draft, const char *root, const char *user_config,
                 struct diagnostics *refused, struct error *err);
