/*
 * schema_field - what each type of the schema does with a field: fill it from
 * TOML, free it, show it as JSON.  Shared by the schema's own files only.
 */
#pragma once

#include "config/schema.h"

#include "base/strbuf.h"

/* One file that is being read into a project. */
struct config_loader {
	struct project_config *project;
	const struct config_file *file;
	struct diag_source source;
	bool is_outer;
	struct diagnostics *diags;
	struct strbuf shown; /* "services.web.port": the key that is being read */
};

struct diagnostic *loader_report(struct config_loader *loader, struct toml_pos pos, const char *id,
                                 const char *fmt, ...) printf_like(4, 5);
/* "services.web.port: expected WHAT, got VALUE"; C010 or C011 by `is_type`. */
struct diagnostic *loader_expected(struct config_loader *loader, const struct toml_value *value,
                                   bool is_type, const char *fmt, ...) printf_like(4, 5);
/* Adds "did you mean `near`?" where near is not NULL. */
void loader_suggest(struct diagnostic *diag, const char *near);

/* False when it is no string that C can hold, and reported. */
bool loader_get_text(struct config_loader *loader, const struct toml_value *value,
                     const char **ret);

/* The value as a message shows it: "\"http\"", "70000", "an array". */
char *config_show_value(const struct toml_value *value) must_check;

/*
 * Fills the field from the value; false when it was refused and reported.  Types
 * that are tables of keys have no field of their own and are not asked.
 */
bool config_field_set(struct config_loader *loader, const struct config_key *key,
                      const struct toml_value *value, void *field);
/* schema_set_volumes.c */
bool config_volumes_set(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field);
void config_field_release(const struct config_key *key, void *field);
json_t *config_field_to_json(const struct config_key *key, const void *field);

/* The n-th word of "a b c", owned; NULL after the last. */
char *config_word(const char *words, size_t n) must_check;
/* Its place among the words, or -1. */
int config_word_index(const char *words, const char *word);

/* "SIGTERM" or "TERM" to a number, 0 when unknown. */
int config_signal_number(const char *name);
const char *config_signal_at(size_t n); /* NULL after the last */
const char *config_signal_nearest(const char *name);

void env_list_set(struct env_list *env, const char *name, const char *value,
                  const struct config_file *file, struct toml_pos pos);
void env_list_release(struct env_list *env);
void dependency_list_release(struct dependency_list *list);
void config_command_release(struct config_command *command);
