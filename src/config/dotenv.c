#include "config/dotenv.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/diag.h"
#include "config/interpolate.h"
#include "config/utf8.h"

struct dotenv_parser {
	const char *text;
	size_t len, at, line_start;
	int line;
	size_t entries;
	dotenv_lookup_fn *lookup;
	void *data;
	struct strv *env, own; /* own: what this file has set so far */
	struct toml_pos *ret_pos;
	struct error *err;
};

struct mark {
	size_t at, line_start;
	int line;
};

static int peek(const struct dotenv_parser *p)
{
	return p->at < p->len ? (unsigned char)p->text[p->at] : -1;
}

static void advance(struct dotenv_parser *p)
{
	if (p->text[p->at++] == '\n') {
		p->line++;
		p->line_start = p->at;
	}
}

static bool is_line_end(int c)
{
	return c == -1 || c == '\n';
}

static void skip_blanks(struct dotenv_parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\r')
		p->at++;
}

static void skip_line(struct dotenv_parser *p)
{
	while (!is_line_end(peek(p)))
		p->at++;
}

static struct mark mark_of(const struct dotenv_parser *p)
{
	return (struct mark){p->at, p->line_start, p->line};
}

/* From the mark to here, or to the end of its line. Returns -1. */
static int fail_from(struct dotenv_parser *p, struct mark start, const char *fmt, ...)
	printf_like(3, 4);
static int fail_from(struct dotenv_parser *p, struct mark start, const char *fmt, ...)
{
	const char *newline = memchr(p->text + start.at, '\n', p->len - start.at);
	size_t line_end = newline ? (size_t)(newline - p->text) : p->len;
	size_t end = p->at > start.at ? p->at : start.at + 1;
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	if (end > line_end)
		end = line_end > start.at ? line_end : start.at + 1;
	*p->ret_pos = (struct toml_pos){
		.line = start.line,
		.column = (int)(start.at - start.line_start) + 1,
		.length = (int)(end - start.at),
	};
	return error_set(p->err, ERR_CONFIG, "%s", text);
}

/* --- values --- */

/* Text is kept as a template for interpolate(): a dollar that is meant as such is "$$". */
static int read_double_quoted(struct dotenv_parser *p, struct strbuf *out)
{
	static const char plain[] = "nrt\"\\";
	static const char meant[] = "\n\r\t\"\\";
	struct mark start = mark_of(p);

	for (advance(p); peek(p) != '"'; advance(p)) {
		const char *found;

		if (peek(p) == -1)
			return fail_from(p, start, "value without a closing \"");
		if (peek(p) != '\\' || p->at + 1 == p->len) {
			strbuf_addch(out, p->text[p->at]);
			continue;
		}
		advance(p);
		found = strchr(plain, peek(p));
		if (peek(p) == '$')
			strbuf_adds(out, "$$");
		else if (found)
			strbuf_addch(out, meant[found - plain]);
		else
			strbuf_addf(out, "\\%c", peek(p));
	}
	advance(p);
	return 0;
}

static int read_single_quoted(struct dotenv_parser *p, struct strbuf *out)
{
	struct mark start = mark_of(p);

	for (advance(p); peek(p) != '\''; advance(p)) {
		if (peek(p) == -1)
			return fail_from(p, start, "value without a closing '");
		if (peek(p) == '\\' && p->at + 1 < p->len && p->text[p->at + 1] == '\'')
			advance(p);
		strbuf_addch(out, p->text[p->at]);
	}
	advance(p);
	return 0;
}

static void read_unquoted(struct dotenv_parser *p, bool is_after_blank, struct strbuf *out)
{
	bool was_blank = is_after_blank;

	for (; !is_line_end(peek(p)) && !(peek(p) == '#' && was_blank); p->at++) {
		char c = p->text[p->at];

		was_blank = c == ' ' || c == '\t';
		if (c == '\\' && p->at + 1 < p->len && p->text[p->at + 1] == '$') {
			strbuf_adds(out, "$$");
			p->at++;
		} else {
			strbuf_addch(out, c);
		}
	}
	while (out->len > 0 && strchr(" \t\r", out->buf[out->len - 1]))
		strbuf_truncate(out, out->len - 1);
}

static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	const struct dotenv_parser *p = data;
	const char *value;

	if (ref->kind != REFERENCE_VAR)
		return error_set(err, ERR_CONFIG, "%s cannot be used in an env file", ref->text);
	value = strv_env_get(&p->own, ref->name);
	if (!value && p->lookup)
		value = p->lookup(ref->name, p->data);
	ret->text = xstrdup_null(value);
	return value != NULL;
}

static int set_entry(struct dotenv_parser *p, const char *name, const char *value)
{
	strv_env_set(&p->own, name, value);
	strv_env_set(p->env, name, value);
	return 0;
}

static int expand_and_set(struct dotenv_parser *p, struct mark start, const char *name,
                          const char *template)
{
	const struct interpolation how = {
		.lookup = look_up, .data = p, .bare = true, .unset_is_empty = true};
	cleanup(strbuf_release) struct strbuf value = STRBUF_INIT;
	cleanup(error_release) struct error why = ERROR_INIT;
	size_t at, len;

	if (interpolate(&how, NULL, template, &value, &at, &len, &why) < 0)
		return fail_from(p, start, "%s: %s", name, why.text);
	return set_entry(p, name, value.buf);
}

static int read_value(struct dotenv_parser *p, const char *name, bool is_after_blank)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct mark start = mark_of(p), rest;
	int quote = peek(p);

	if (quote != '"' && quote != '\'') {
		read_unquoted(p, is_after_blank, &text);
		if (expand_and_set(p, start, name, text.buf) < 0)
			return -1;
		skip_line(p);
		return 0;
	}
	if ((quote == '"' ? read_double_quoted(p, &text) : read_single_quoted(p, &text)) < 0)
		return -1;
	rest = mark_of(p);
	skip_blanks(p);
	if (!is_line_end(peek(p)) && peek(p) != '#') {
		skip_line(p);
		return fail_from(p, rest, "text after the closing %c", quote);
	}
	skip_line(p);
	return quote == '"' ? expand_and_set(p, start, name, text.buf)
	                    : set_entry(p, name, text.buf);
}

/* --- lines --- */

static bool is_name_char(int c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

static void skip_export(struct dotenv_parser *p)
{
	size_t word = strlen("export");

	if (p->len - p->at > word && memcmp(p->text + p->at, "export", word) == 0 &&
	    (p->text[p->at + word] == ' ' || p->text[p->at + word] == '\t')) {
		p->at += word;
		skip_blanks(p);
	}
}

/* "NAME" alone takes the variable over from outside. */
static int inherit(struct dotenv_parser *p, const char *name)
{
	const char *value = p->lookup ? p->lookup(name, p->data) : NULL;

	skip_line(p);
	return value ? set_entry(p, name, value) : 0;
}

static int read_entry(struct dotenv_parser *p)
{
	cleanup_free char *name = NULL;
	struct mark start;
	bool is_after_blank;

	skip_export(p);
	start = mark_of(p);
	while (is_name_char(peek(p), p->at == start.at))
		p->at++;
	if (p->at == start.at) {
		skip_line(p);
		return fail_from(p, start, "expected NAME=value");
	}
	if (++p->entries > DOTENV_MAX_ENTRIES)
		return fail_from(p, start, "more than %u variables", DOTENV_MAX_ENTRIES);
	name = xstrndup(p->text + start.at, p->at - start.at);
	skip_blanks(p);
	if (is_line_end(peek(p)) || peek(p) == '#')
		return inherit(p, name);
	if (peek(p) != '=' && peek(p) != ':') {
		skip_line(p);
		return fail_from(p, start, "expected = after %s", name);
	}
	p->at++;
	is_after_blank = peek(p) == ' ' || peek(p) == '\t';
	skip_blanks(p);
	return read_value(p, name, is_after_blank);
}

/* Neither an environment nor JSON can carry a NUL or what is not UTF-8. */
static int check_text(struct dotenv_parser *p)
{
	const char *nul = memchr(p->text, '\0', p->len);
	size_t bad = utf8_check(p->text, p->len);

	if (nul && (size_t)(nul - p->text) < bad)
		bad = (size_t)(nul - p->text);
	if (bad == p->len)
		return 0;
	while (p->at < bad)
		advance(p);
	return fail_from(p, mark_of(p), "%s", p->text[bad] ? "invalid UTF-8" : "a NUL character");
}

static int parse(struct dotenv_parser *p)
{
	if (p->len > DOTENV_MAX_BYTES) {
		*p->ret_pos = (struct toml_pos){1, 1, 1};
		return error_set(p->err, ERR_CONFIG, "larger than 1 MiB");
	}
	if (check_text(p) < 0)
		return -1;
	if (p->len >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
		p->at = p->line_start = 3;
	while (peek(p) != -1) {
		skip_blanks(p);
		if (peek(p) == '#')
			skip_line(p);
		if (peek(p) == '\n')
			advance(p);
		else if (peek(p) != -1 && read_entry(p) < 0)
			return -1;
	}
	return 0;
}

int dotenv_parse(const char *text, size_t len, dotenv_lookup_fn *lookup, void *data,
                 struct strv *env, struct toml_pos *ret_pos, struct error *err)
{
	struct dotenv_parser p = {
		.text = text,
		.len = len,
		.line = 1,
		.lookup = lookup,
		.data = data,
		.env = env,
		.ret_pos = ret_pos,
		.err = err,
	};
	int rc = parse(&p);

	strv_release(&p.own);
	return rc;
}

int dotenv_read(const char *path, const char *name, dotenv_lookup_fn *lookup, void *data,
                struct strv *env, struct diagnostics *diags, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct diag_source source;
	struct toml_pos pos;

	if (fs_read_file(path, DOTENV_MAX_BYTES, &text, err) < 0)
		return -1;
	source = (struct diag_source){name, text.buf, text.len};
	if (dotenv_parse(text.buf, text.len, lookup, data, env, &pos, err) == 0)
		return 0;
	/* A secret may stand on the line: it is not shown. */
	source.text = NULL;
	diag_at(diag_add(diags, "C041", "%s", err->text), &source, pos, NULL);
	return diag_to_error(diags, err);
}
