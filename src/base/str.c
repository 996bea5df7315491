#include "base/str.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

bool str_eq_null(const char *a, const char *b)
{
	return a == b || (a && b && str_eq(a, b));
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), tail = strlen(suffix);

	return len >= tail && str_eq(s + len - tail, suffix);
}

int str_to_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
	const char *digits = *s == '-' ? s + 1 : s;
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(s, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || errno || value < min || value > max)
		return error_set(err, ERR_USAGE, "expected a number from %lld to %lld, got \"%s\"",
		                 (long long)min, (long long)max, s);
	*ret = value;
	return 0;
}

#define DISTANCE_MAX_LEN 64

static int min3(int a, int b, int c)
{
	int least = a < b ? a : b;

	return least < c ? least : c;
}

int str_distance(const char *a, const char *b)
{
	int rows[3][DISTANCE_MAX_LEN + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > DISTANCE_MAX_LEN || len_b > DISTANCE_MAX_LEN)
		return 127;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= len_a; i++) {
		int *row = rows[i % 3];
		const int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = (int)i;
		for (size_t j = 1; j <= len_b; j++) {
			int cost = a[i - 1] != b[j - 1];

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
		}
	}
	return rows[len_a % 3][len_b];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	int best_distance = 3;

	for (size_t i = 0; i < count; i++) {
		int distance = str_distance(word, candidates[i]);

		if (distance < best_distance && distance < (int)strlen(word)) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);
	bool fits = len < size;

	if (!fits)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return fits;
}

void strv_release(struct strv *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv)STRV_INIT;
}

void strv_add_take(struct strv *v, char *s)
{
	/* One slot more than len, for the terminating NULL. */
	v->items = array_grow(v->items, &v->cap, v->len + 1, sizeof(*v->items));
	v->items[v->len++] = s;
	v->items[v->len] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_add_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strv_add_take(v, xvasprintf(fmt, args));
	va_end(args);
}

void strv_copy(struct strv *dst, const struct strv *src)
{
	for (size_t i = 0; i < src->len; i++)
		strv_add(dst, src->items[i]);
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->len; i++)
		if (str_eq(v->items[i], s))
			return true;
	return false;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	array_sort(v, compare_strings);
}

static char **env_slot(const struct strv *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->len; i++)
		if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
			return &env->items[i];
	return NULL;
}

void strv_env_set(struct strv *env, const char *name, const char *value)
{
	char **slot = env_slot(env, name);
	char *entry = xasprintf("%s=%s", name, value);

	if (!slot) {
		strv_add_take(env, entry);
		return;
	}
	free(*slot);
	*slot = entry;
}

void strv_env_unset(struct strv *env, const char *name)
{
	char **slot = env_slot(env, name);

	if (!slot)
		return;
	free(*slot);
	memmove(slot, slot + 1, (size_t)(env->items + env->len - slot) * sizeof(*slot));
	env->len--;
}

const char *strv_env_get(const struct strv *env, const char *name)
{
	char **slot = env_slot(env, name);

	return slot ? *slot + strlen(name) + 1 : NULL;
}

/* "1.5" of "1.5G": how long it is, and what it is; 0 when there is none. */
static size_t leading_number(const char *text, double *ret)
{
	double value = 0, scale = 1;
	size_t digits = strspn(text, "0123456789"), len = digits;

	if (text[len] == '.')
		len += 1 + strspn(text + len + 1, "0123456789");
	if (digits == 0 || len > 20)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.')
			continue;
		scale /= i > digits ? 10 : 1;
		value = i > digits ? value + (text[i] - '0') * scale : value * 10 + (text[i] - '0');
	}
	*ret = value;
	return len;
}

int64_t str_size_bytes(const char *text)
{
	static const char letters[] = "KMGT";
	double value, limit = 9e18;
	size_t len = leading_number(text, &value);
	const char *unit = text + len, *letter;

	if (len == 0)
		return -1;
	letter = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
	if (*unit && (!letter ||
	              (!str_eq(unit + 1, "") && !str_eq(unit + 1, "B") && !str_eq(unit + 1, "iB"))))
		return -1;
	for (const char *at = letters; letter && at <= letter; at++)
		value *= 1024;
	return value < limit ? (int64_t)value : -1;
}

double str_duration_ms(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	double value;
	size_t len = leading_number(text, &value);

	if (len == 0)
		return (double)NAN;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_eq(text + len, units[i].unit))
			return value * units[i].ms;
	return (double)NAN;
}
