#include "shim/state.h"

#include "base/error.h"
#include "base/str.h"

/*
 * The C library's regular expressions would be a twelfth of the program.  Ids
 * are short words: characters, `.`, sets, `* + ?` and the anchors are enough.
 */
#define PATTERN_MAX 128

/* The length of the first atom: a set, or one character; 0 when it is neither. */
static size_t atom_len(const char *at)
{
	const char *end;

	if (*at != '[')
		return strchr("(){}|\\*+?^]", *at) ? 0 : 1;
	at += at[1] == '^' ? 2 : 1;
	/* A bracket that comes first is a member. */
	end = *at ? strchr(at + 1, ']') : NULL;
	return end ? (size_t)(end - at) + 1 : 0;
}

static bool is_member(const char *at, const char *end, char c)
{
	for (; at < end; at++) {
		if (at + 2 < end && at[1] == '-') {
			if (c >= at[0] && c <= at[2])
				return true;
			at += 2;
		} else if (*at == c) {
			return true;
		}
	}
	return false;
}

static size_t span_of(const char *atom)
{
	bool is_negated = atom[0] == '[' && atom[1] == '^';

	return atom_len(atom) + (atom[0] == '[' ? 1 + is_negated : 0);
}

static bool matches_one(const char *atom, char c)
{
	const char *end = atom + span_of(atom) - 1;

	if (!c)
		return false;
	if (*atom == '[')
		return atom[1] == '^' ? !is_member(atom + 2, end, c) : is_member(atom + 1, end, c);
	return *atom == '.' || *atom == c;
}

static bool matches_here(const char *pattern, const char *text)
{
	size_t len, most = 0, least;
	char times;

	if (!*pattern)
		return true;
	if (str_eq(pattern, "$"))
		return !*text;
	len = span_of(pattern);
	times = pattern[len];
	if (!times || !strchr("*+?", times))
		return matches_one(pattern, *text) && matches_here(pattern + len, text + 1);
	least = times == '+';
	while (matches_one(pattern, text[most]) && (times != '?' || most == 0))
		most++;
	for (size_t n = most + 1; n-- > least;)
		if (matches_here(pattern + len + 1, text + n))
			return true;
	return false;
}

static bool matches(const char *pattern, const char *text)
{
	if (*pattern == '^')
		return matches_here(pattern + 1, text);
	for (;; text++) {
		if (matches_here(pattern, text))
			return true;
		if (!*text)
			return false;
	}
}

static int check(const char *pattern, struct error *err)
{
	const char *at = pattern + (*pattern == '^');

	if (strlen(pattern) > PATTERN_MAX)
		return error_set(err, ERR_USAGE, "--regex: longer than %d bytes", PATTERN_MAX);
	while (*at) {
		if (atom_len(at) == 0) {
			error_set(err, ERR_USAGE, "--regex `%s`: cannot read it from `%s` on",
			          pattern, at);
			return error_hint(err, "characters, `.`, [sets], `*`, `+`, `?`, `^` and "
			                       "`$` are understood");
		}
		at += span_of(at);
		at += *at && strchr("*+?", *at) ? 1 : 0;
	}
	return 0;
}

int state_match(int root, const char *word, bool is_regex, struct strv *ids, struct error *err)
{
	cleanup(strv_release) struct strv all = STRV_INIT;

	if (!is_regex) {
		strv_add(ids, word);
		return 0;
	}
	if (check(word, err) < 0 || state_list(root, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.len; i++)
		if (matches(word, all.items[i]))
			strv_add(ids, all.items[i]);
	return 0;
}
