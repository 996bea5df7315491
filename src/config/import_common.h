/*
 * import_common - what the importers share: tables of keys, and values as both
 * formats write them.  Nothing outside of import_*.c includes it.
 */
#pragma once

#include "config/import.h"
#include "config/yaml_tree.h"

#include "base/str.h"

struct importer {
	struct draft *draft;
	const struct diag_source *source;
	const struct strv *env;        /* for what is expanded now */
	struct draft_section *section; /* that is being filled */
	const char *path;              /* of it in the source, for messages: "processes.web" */
	const struct yaml_value *map;  /* that it is filled from */
	bool is_literal;               /* a $ means nothing */
	bool only_images;              /* of a compose.yaml: what has `build` is somebody else's */
	char *dir;                     /* of the source, from the project; NULL: the same */
	void *own;                     /* of one importer */
};

typedef void import_fn(struct importer *in, const struct yaml_entry *entry);

/* What becomes of a key: fn, or it is left out because of `why`, or (neither) it says nothing. */
struct import_key {
	const char *key;
	import_fn *fn;
	const char *why;
};

/* Each entry of in->map by the table, which ends with a NULL key; keys that are not in it are left
 * out, but x-… */
void import_walk(struct importer *in, const struct import_key *table);

struct draft_origin import_at(const struct importer *in, struct toml_pos pos);
/* `why` after the key's path. */
void import_leave_out(struct importer *in, const struct yaml_entry *entry, const char *fmt, ...)
	printf_like(3, 4);
/* The same for a value of the wrong form. */
void import_expected(struct importer *in, const struct yaml_entry *entry, const char *what);

/* The text with ${…} as they are now; NULL when it is none, or cannot be (left out). */
char *import_text(struct importer *in, const struct yaml_entry *entry,
                  const struct yaml_value *value) must_check;
/* A text or a list of texts, expanded; false when it is neither (left out). */
bool import_strings(struct importer *in, const struct yaml_entry *entry, struct strv *out);
bool import_int(struct importer *in, const struct yaml_entry *entry, int64_t min, int64_t max,
                int64_t *ret);
bool import_bool(struct importer *in, const struct yaml_entry *entry, bool *ret);
/* "1m30s" and the like; a bare number is seconds. */
bool import_duration(struct importer *in, const struct yaml_entry *entry, int64_t *ret_ms);

/* A path as the project has it; the caller's. */
char *import_path(const struct importer *in, const char *path) must_check;

/* Entries that are put as they are under another key. */
void import_put_text(struct importer *in, const struct yaml_entry *entry, const char *key);
void import_put_int(struct importer *in, const struct yaml_entry *entry, const char *key,
                    int64_t min, int64_t max);
void import_put_bool(struct importer *in, const struct yaml_entry *entry, const char *key);
void import_put_duration(struct importer *in, const struct yaml_entry *entry, const char *key);
void import_put_strings(struct importer *in, const struct yaml_entry *entry, const char *key);

/* For each variable of a list of NAME=value, or of a map; value NULL: taken from the shell. */
typedef void import_variable_fn(struct importer *in, const struct yaml_entry *entry,
                                struct toml_pos pos, const char *name, const char *value);
void import_variables(struct importer *in, const struct yaml_entry *entry, import_variable_fn *fn);
/* A value of an environment as locald.toml writes it: $NAME is ${NAME:-}. */
char *import_template(const struct importer *in, const char *value) must_check;

/* "10" or "500ms", as locald.toml has it. */
void import_add_duration(struct strbuf *out, int64_t ms);

void import_process_compose(struct importer *in, const struct yaml_value *root);
void import_compose(struct importer *in, const struct yaml_value *root);
