#include "service/log_pattern.h"

#include "base/mem.h"
#include "base/strbuf.h"

#include <ctype.h>

struct search {
	struct strbuf run; /* what certainly follows one on the other, up to here */
	struct strbuf best;
};

static void end_run(struct search *search)
{
	if (search->run.len > search->best.len) {
		strbuf_reset(&search->best);
		strbuf_add(&search->best, search->run.buf, search->run.len);
	}
	strbuf_reset(&search->run);
}

/* The last character may be missing; it may be of several bytes. */
static void end_run_before_last(struct search *search)
{
	size_t len = search->run.len;

	while (len > 0 && (search->run.buf[len - 1] & 0xc0) == 0x80)
		len--;
	strbuf_truncate(&search->run, len > 0 ? len - 1 : 0);
	end_run(search);
}

/* Behind a bracket expression, of which `at` is the [. */
static const char *skip_bracket(const char *at)
{
	at++;
	at += *at == '^';
	at += *at == ']';
	while (*at && *at != ']') {
		if (*at == '[' && at[1] && strchr(":.=", at[1])) {
			const char close[] = {at[1], ']', '\0'}, *end = strstr(at + 2, close);

			at = end ? end + 2 : at + strlen(at);
		} else {
			at++;
		}
	}
	return *at ? at + 1 : at;
}

/* Behind a group, of which `at` is the (. */
static const char *skip_group(const char *at)
{
	int depth = 0;

	while (*at) {
		if (*at == '[') {
			at = skip_bracket(at);
			continue;
		}
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return at + 1;
		at++;
	}
	return at;
}

/* One thing of the pattern; returns what is behind it. */
static const char *step(struct search *search, const char *at)
{
	const char *brace;

	if (*at == '\\' && at[1]) {
		/* \w, \b, \1 and \< are no characters. */
		if (isalnum((unsigned char)at[1]) || strchr("<>`'", at[1]))
			end_run(search);
		else
			strbuf_addch(&search->run, at[1]);
		return at + 2;
	}
	switch (*at) {
	case '[':
		end_run(search);
		return skip_bracket(at);
	case '(':
		end_run(search);
		return skip_group(at);
	case '*':
	case '?':
		end_run_before_last(search);
		return at + 1;
	case '{':
		end_run_before_last(search);
		brace = strchr(at, '}');
		return brace ? brace + 1 : at + 1;
	case '+':
		if (at[1] && strchr("*?{+", at[1]))
			end_run_before_last(search);
		end_run(search);
		return at + 1;
	case '.':
	case '^':
	case '$':
	case ')':
	case '\\':
		end_run(search);
		return at + 1;
	default:
		strbuf_addch(&search->run, *at);
		return at + 1;
	}
}

char *log_pattern_literal(const char *pattern)
{
	struct search search = {.run = STRBUF_INIT, .best = STRBUF_INIT};
	char *found = NULL;

	while (*pattern && *pattern != '|')
		pattern = step(&search, pattern);
	end_run(&search);
	if (!*pattern && search.best.len > 0)
		found = xstrndup(search.best.buf, search.best.len);
	strbuf_release(&search.run);
	strbuf_release(&search.best);
	return found;
}
