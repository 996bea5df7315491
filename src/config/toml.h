/*
 * toml - a TOML 1.0 parser that keeps where everything was written.
 *
 * toml_parse() gives a tree of tables in the order of the file.  Each key and
 * each value has its position: line and column from 1, column and length in
 * bytes.  Parsing stops at the first error.  Bounded: TOML_MAX_BYTES of text,
 * TOML_MAX_DEPTH levels, TOML_MAX_VALUES values.
 *
 * The tree is read-only and owned by its root (toml_table_free).  Pointers that
 * the getters return are borrowed from it.  Needs base only, never blocks but
 * in toml_parse_file().  Spec: https://toml.io/en/v1.0.0
 */
#pragma once

#include "base/array.h"
#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct strv;

#define TOML_MAX_BYTES  (1u << 20)
#define TOML_MAX_DEPTH  64
#define TOML_MAX_VALUES 100000u

struct toml_pos {
	int line, column, length;
};

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_DATETIME, /* with an offset from UTC */
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME,
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_datetime {
	int16_t year;
	uint8_t month, day, hour, minute, second;
	int16_t offset_minutes;
	int32_t nanosecond;
};

struct toml_table;

struct toml_value {
	enum toml_type type;
	struct toml_pos pos;
	union {
		struct {
			char *text; /* UTF-8, NUL-terminated; may have a NUL inside (\u0000) */
			size_t len;
		} string;
		int64_t integer;
		double number;
		bool boolean;
		struct toml_datetime datetime;
		ARRAY(struct toml_value) array;
		struct toml_table *table;
	};
};

struct toml_entry {
	char *key; /* as string.text above */
	size_t key_len;
	struct toml_pos pos; /* of the key; for a dotted key or header, of this part of it */
	struct toml_value value;
};

/* Iterate with array_foreach(entry, &table->entries). */
struct toml_table {
	ARRAY(struct toml_entry) entries;
	struct toml_parse_state {
		uint32_t *slots; /* hash index, only when there are many entries */
		size_t slot_count;
		uint8_t origin;
	} state; /* the parser's own */
};

/*
 * The root table, or NULL with err, its text without the position, and
 * *ret_pos where it was.
 */
struct toml_table *toml_parse(const char *text, size_t len, struct toml_pos *ret_pos,
                              struct error *err) must_check;
/* As toml_parse(); the error says "path:line:column: …" (ERR_CONFIG) or why it was not read. */
struct toml_table *toml_parse_file(const char *path, struct error *err) must_check;

void toml_table_free(struct toml_table *table); /* NULL is fine */
DEFINE_FREEP(toml_table)
#define cleanup_toml cleanup(freep_toml_table)

/* NULL when the table (which may be NULL) has no such key. */
const struct toml_entry *toml_find(const struct toml_table *table, const char *key);
const struct toml_value *toml_get(const struct toml_table *table, const char *key);

/* Borrowed; the default (or NULL) when the key is missing or of another type. */
const char *toml_get_str(const struct toml_table *table, const char *key, const char *def);
int64_t toml_get_int(const struct toml_table *table, const char *key, int64_t def);
bool toml_get_bool(const struct toml_table *table, const char *key, bool def);
const struct toml_table *toml_get_table(const struct toml_table *table, const char *key);
const struct toml_value *toml_get_array(const struct toml_table *table, const char *key);

/* The key must be there and a string without NUL; *ret is borrowed. */
int toml_need_str(const struct toml_table *table, const char *key, const char **ret,
                  struct error *err);
/* Appends an array of strings; a missing key appends nothing, anything else is an error. */
int toml_get_strv(const struct toml_table *table, const char *key, struct strv *out,
                  struct error *err);

/* Is it a string that C can hold, without a NUL inside? */
bool toml_is_c_string(const struct toml_value *value);

/* "a string", "an integer", … for messages. */
const char *toml_type_name(enum toml_type type);

/* RFC 3339 text of any of the four date and time types. */
#define TOML_DATETIME_SIZE 40
void toml_format_datetime(const struct toml_value *value, char out[TOML_DATETIME_SIZE]);
