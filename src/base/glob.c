#include "base/glob.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>

/* A name within a path or pattern: up to the next slash. */
struct part {
	const char *at;
	size_t len;
};

/* Steps over slashes and "."; false at the end. */
static bool next_part(const char **text, struct part *ret)
{
	do {
		while (**text == '/')
			(*text)++;
		ret->at = *text;
		while (**text && **text != '/')
			(*text)++;
		ret->len = (size_t)(*text - ret->at);
	} while (ret->len == 1 && *ret->at == '.');
	return ret->len > 0;
}

static bool is_any_depth(struct part part)
{
	return part.len == 2 && part.at[0] == '*' && part.at[1] == '*';
}

/* --- one name --- */

/*
 * One element of a name's pattern against a character; *ret_next is behind it.  A
 * set without its end stands for itself.
 */
static bool element_matches(const char *p, const char *end, char c, const char **ret_next)
{
	const char *at = p + 1;
	bool is_not, is_in = false;

	*ret_next = p + 1;
	if (*p == '?')
		return true;
	if (*p == '\\' && p + 1 < end) {
		*ret_next = p + 2;
		return p[1] == c;
	}
	if (*p != '[')
		return *p == c;
	is_not = at < end && (*at == '!' || *at == '^');
	at += is_not;
	for (const char *first = at; at < end && (*at != ']' || at == first); at++) {
		unsigned char low = (unsigned char)*at, high = low;

		if (at + 2 < end && at[1] == '-' && at[2] != ']') {
			high = (unsigned char)at[2];
			at += 2;
		}
		is_in |= (unsigned char)c >= low && (unsigned char)c <= high;
	}
	if (at >= end)
		return *p == c;
	*ret_next = at + 1;
	return is_in != is_not;
}

static bool name_matches(struct part pattern, struct part name)
{
	const char *p = pattern.at, *end = p + pattern.len, *star = NULL, *retry = NULL;
	const char *c = name.at, *name_end = c + name.len, *next;

	while (c < name_end) {
		if (p < end && *p == '*') {
			star = ++p;
			retry = c;
		} else if (p < end && element_matches(p, end, *c, &next)) {
			p = next;
			c++;
		} else if (star) {
			/* Only the last star has to be tried again: those before it have done. */
			p = star;
			c = ++retry;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

/* --- paths: the same, with names for characters and `**` for the star --- */

enum match { MATCH_NO, MATCH_PATH_IS_SHORT, MATCH_YES };

static enum match match(const char *pattern, const char *path)
{
	const char *star = NULL, *retry = NULL;
	struct part wanted, name;

	while (true) {
		const char *after_wanted = pattern, *after_name = path;
		bool has_wanted = next_part(&after_wanted, &wanted);

		if (!has_wanted)
			return MATCH_YES; /* the path may go on below */
		if (is_any_depth(wanted)) {
			star = pattern = after_wanted;
			retry = path;
			continue;
		}
		if (!next_part(&after_name, &name))
			return MATCH_PATH_IS_SHORT;
		if (name_matches(wanted, name)) {
			pattern = after_wanted;
			path = after_name;
		} else if (star && next_part(&retry, &name)) {
			pattern = star;
			path = retry;
		} else {
			return MATCH_NO;
		}
	}
}

bool glob_matches(const char *pattern, const char *path)
{
	return match(pattern, path) == MATCH_YES;
}

bool glob_leads_to(const char *pattern, const char *folder)
{
	struct part wanted, name;

	while (next_part(&pattern, &wanted)) {
		/* After `**` anything may come, and below the folder too. */
		if (is_any_depth(wanted) || !next_part(&folder, &name))
			return true;
		if (!name_matches(wanted, name))
			return false;
	}
	return true;
}

char *glob_literal_folder(const char *pattern)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *at = pattern, *after = pattern;
	struct part part, next;

	while (next_part(&after, &part)) {
		const char *look = after;
		bool is_special = false;

		for (size_t i = 0; i < part.len; i++)
			is_special |= strchr("*?[\\", part.at[i]) != NULL;
		/* The last name may be a file. */
		if (is_special || !next_part(&look, &next))
			break;
		if (out.len > 0 || *at == '/')
			strbuf_addch(&out, '/');
		strbuf_add(&out, part.at, part.len);
	}
	if (out.len == 0)
		strbuf_adds(&out, *at == '/' ? "/" : ".");
	return strbuf_detach(&out);
}

/* --- braces --- */

/* The brace that closes the one at `open`, or NULL. */
static const char *closing(const char *open)
{
	int depth = 0;

	for (const char *c = open; *c; c++) {
		if (*c == '\\' && c[1])
			c++;
		else if (*c == '{')
			depth++;
		else if (*c == '}' && --depth == 0)
			return c;
	}
	return NULL;
}

static const char *opening(const char *pattern)
{
	for (const char *c = pattern; *c; c++) {
		if (*c == '\\' && c[1])
			c++;
		else if (*c == '{')
			return c;
	}
	return NULL;
}

static const char *alternative_end(const char *from, const char *close)
{
	int depth = 0;

	for (const char *c = from; c < close; c++) {
		if (*c == '\\' && c + 1 < close)
			c++;
		else if (*c == '{')
			depth++;
		else if (*c == '}')
			depth--;
		else if (*c == ',' && depth == 0)
			return c;
	}
	return close;
}

int glob_expand(const char *pattern, size_t max, struct strv *out, struct error *err)
{
	const char *open = opening(pattern), *close;

	if (!open) {
		if (out->len >= max)
			return error_set(err, E2BIG, "more than %zu patterns", max);
		strv_add(out, pattern);
		return 0;
	}
	close = closing(open);
	if (!close)
		return error_set(err, EINVAL, "`{` without `}`");
	for (const char *at = open + 1; at <= close;) {
		const char *end = alternative_end(at, close);
		cleanup_free char *one = xasprintf("%.*s%.*s%s", (int)(open - pattern), pattern,
		                                   (int)(end - at), at, close + 1);

		if (glob_expand(one, max, out, err) < 0)
			return -1;
		at = end + 1;
	}
	return 0;
}
