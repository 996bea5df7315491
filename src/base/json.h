/*
 * json - jansson with limits and typed reads.
 *
 * Values are jansson's json_t with its reference rules: a function that
 * returns json_t * gives a new reference unless it says "borrowed".
 */
#pragma once

#include "base/attrs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

static inline void json_decref_ptr(json_t **value)
{
	json_decref(*value);
}
#define cleanup_json cleanup(json_decref_ptr)

/* Rejects duplicate keys and, beyond the value, anything but white space. */
json_t *json_parse(const char *text, size_t len, struct error *err);
json_t *json_parse_file(const char *path, size_t max, struct error *err);

/* Compact, keys in insertion order; never NULL. */
char *json_text(const json_t *value) must_check;

/* Borrowed; the default when the key is missing or null or of another type. */
const char *json_get_str(const json_t *object, const char *key, const char *def);
int64_t json_get_int(const json_t *object, const char *key, int64_t def);
bool json_get_bool(const json_t *object, const char *key, bool def);

/* The key must be there and a string; *ret is borrowed. */
int json_need_str(const json_t *object, const char *key, const char **ret, struct error *err);

/* Sets a copied string; NULL text sets null. */
void json_set_str(json_t *object, const char *key, const char *text);
void json_set_int(json_t *object, const char *key, int64_t value);
void json_set_bool(json_t *object, const char *key, bool value);

struct strv;
/*
 * An array of strings to a vector and back; anything else in it is an error.  Where every
 * byte counts (environments, commands), json_from_raw_strv() writes what is not UTF-8 as
 * {"base64": …}; json_from_strv() puts U+FFFD there.
 */
int json_to_strv(const json_t *array, const char *what, struct strv *out, struct error *err);
json_t *json_from_strv(const struct strv *v);
json_t *json_from_raw_strv(const struct strv *v);
