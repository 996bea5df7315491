/*
 * yaml_tree - reads a YAML document into a tree that keeps where everything was written.
 *
 * libyaml does the syntax.  Here are anchors, merge keys (`<<`), positions as in
 * toml.h, and limits: YAML_MAX_BYTES of text, YAML_MAX_DEPTH levels and
 * YAML_MAX_VALUES values, those that aliases repeat counted each time.  Keys are
 * text, and a key twice is an error; so are a second document, an alias of what it
 * is in, and tags that are not of YAML's own types.
 *
 * The tree is read-only and owned by its document; values that aliases repeat are
 * shared.  Getters give borrowed pointers and take NULL for what is not there.
 */
#pragma once

#include "base/array.h"
#include "config/toml.h"

struct error;

#define YAML_MAX_BYTES  (1u << 20)
#define YAML_MAX_DEPTH  64
#define YAML_MAX_VALUES 100000u

enum yaml_type { YAML_NULL, YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_value;

struct yaml_entry {
	char *key;
	struct toml_pos pos; /* of the key */
	struct yaml_value *value;
	bool is_merged; /* came by `<<` */
};

struct yaml_value {
	enum yaml_type type;
	struct toml_pos pos;
	char *text;    /* UTF-8 without NUL, as written: "1.10" stays so */
	bool is_plain; /* not in quotes: it may mean a number, or true */
	size_t weight; /* of values in it, itself included */
	ARRAY(struct yaml_value *) list;
	ARRAY(struct yaml_entry) map;
};

struct yaml_document;

/* NULL with err, its text without the position, and *ret_pos where it was. */
struct yaml_document *yaml_parse(const char *text, size_t len, struct toml_pos *ret_pos,
                                 struct error *err) must_check;
void yaml_document_free(struct yaml_document *document); /* NULL is fine */
DEFINE_FREEP(yaml_document)
#define cleanup_yaml cleanup(freep_yaml_document)

/* The root, never NULL; of an empty document it is YAML_NULL. */
const struct yaml_value *yaml_root(const struct yaml_document *document);

/* NULL when it is no map, or has no such key. */
const struct yaml_entry *yaml_find(const struct yaml_value *map, const char *key);
const struct yaml_value *yaml_get(const struct yaml_value *map, const char *key);

/* The text of a value; NULL when it is none. */
const char *yaml_text(const struct yaml_value *value);
/* Does it say so, as YAML 1.1 writes it (true, yes, on), in quotes or not? */
bool yaml_to_bool(const struct yaml_value *value, bool *ret);
bool yaml_to_int(const struct yaml_value *value, int64_t min, int64_t max, int64_t *ret);

/* "a text", "a list", … for messages. */
const char *yaml_type_name(enum yaml_type type);
