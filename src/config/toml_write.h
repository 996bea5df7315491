/*
 * toml_write - makes TOML text, piece by piece or from a tree.
 *
 * Call in the order of the file: keys belong to the last header.  Every string
 * and key is escaped, so any bytes that are UTF-8 come back as they were.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>

struct strbuf;
struct strv;
struct toml_table;
struct toml_value;

/* "[a.b]" and "[[a.b]]": the parts of the name, then NULL. */
void toml_put_table(struct strbuf *out, const char *part, ...) __attribute__((sentinel));
void toml_put_table_array(struct strbuf *out, const char *part, ...) __attribute__((sentinel));

void toml_put_str(struct strbuf *out, const char *key, const char *text);
void toml_put_int(struct strbuf *out, const char *key, int64_t value);
void toml_put_bool(struct strbuf *out, const char *key, bool value);
void toml_put_strv(struct strbuf *out, const char *key, const struct strv *items);
/* On one line: a table becomes an inline table. */
void toml_put_value(struct strbuf *out, const char *key, const struct toml_value *value);

/* A whole document: values first, then [tables] and [[arrays of tables]]. */
void toml_put_document(struct strbuf *out, const struct toml_table *root);
/* The same below the header [part.…]. */
void toml_put_tree(struct strbuf *out, const struct toml_table *table, const char *part, ...)
	__attribute__((sentinel));
