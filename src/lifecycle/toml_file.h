/*
 * toml_file - TOML files as JSON values: what the phases hand to each other.
 *
 * A missing file gives ENOENT in err->code.  null members are left out when
 * writing, because TOML has no null.
 */
#pragma once

#include "base/json.h"

struct error;
struct strbuf;

int toml_file_read(const char *path, json_t **ret, struct error *err);
/* As above, but a missing file is an empty object. */
int toml_file_read_optional(const char *path, json_t **ret, struct error *err);
int toml_file_write(const char *path, const json_t *root, struct error *err);

/* TOML text to an object; `what` names it in the error. */
int toml_text_read(const char *text, size_t len, const char *what, json_t **ret, struct error *err);
void toml_text_write(const json_t *root, struct strbuf *out);
