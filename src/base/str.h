/* str - small questions about C strings, and strict number parsing. */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct error;

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Both may be NULL. */
bool str_eq_null(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

/* Whole string, decimal, within the bounds; otherwise -1 with ERR_USAGE. */
int str_to_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct error *err);

/* "500ms", "2s", "1.5m", "1h" in milliseconds; NAN when it is none. */
/* "512", "64M", "1.5G", "2GiB" (units of 1024, K to T) in bytes; -1 when it is none. */
int64_t str_size_bytes(const char *text);
double str_duration_ms(const char *text);

/* Damerau-Levenshtein distance (optimal string alignment), capped at 127. */
int str_distance(const char *a, const char *b);

/*
 * The candidate nearest to `word` when its distance is at most 2 and less than
 * the word's own length; NULL otherwise.
 */
const char *str_nearest(const char *word, const char *const *candidates, size_t count);

/* Copies at most size-1 bytes and always terminates; false when it was cut. */
bool str_copy(char *dst, size_t size, const char *src);

/* A NULL-terminated vector of strings that owns its elements. */
struct strv {
	char **items; /* NULL-terminated when len > 0 */
	size_t len, cap;
};

#define STRV_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

void strv_release(struct strv *v);
void strv_add(struct strv *v, const char *s); /* copies */
void strv_add_take(struct strv *v, char *s);  /* takes ownership */
void strv_addf(struct strv *v, const char *fmt, ...) printf_like(2, 3);
void strv_copy(struct strv *dst, const struct strv *src);
bool strv_has(const struct strv *v, const char *s);
void strv_sort(struct strv *v);

/* Environment form "NAME=value": sets, replaces and looks up by name. */
void strv_env_set(struct strv *env, const char *name, const char *value);
void strv_env_unset(struct strv *env, const char *name);
const char *strv_env_get(const struct strv *env, const char *name);
