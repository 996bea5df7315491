#include "config/toml_parse.h"

#include "base/strbuf.h"

#define QUOTES_MAX 5 /* two of the text's own, then the three that close */

static void add_utf8(struct strbuf *out, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addch(out, (char)c);
	} else if (c < 0x800) {
		strbuf_addch(out, (char)(0xc0 | c >> 6));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_addch(out, (char)(0xe0 | c >> 12));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_addch(out, (char)(0xf0 | c >> 18));
		strbuf_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	}
}

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* After "\u" or "\U": `digits` hex digits of a Unicode scalar value. */
static int read_unicode(struct toml_parser *p, struct toml_mark start, int digits,
                        struct strbuf *out)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++) {
		int value = hex_value(toml_peek(p));

		if (value < 0)
			return toml_fail_from(p, start, "\\%c needs %d hex digits",
			                      digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t)value;
		toml_advance(p);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail_from(p, start, "U+%04X is not a Unicode character", c);
	add_utf8(out, c);
	return 0;
}

/* A backslash at the end of a line swallows white space up to the next text. */
static bool skip_line_continuation(struct toml_parser *p)
{
	struct toml_parser ahead = *p;

	toml_skip_blanks(&ahead);
	if (!toml_skip_newline(&ahead))
		return false;
	do {
		toml_skip_blanks(&ahead);
	} while (toml_skip_newline(&ahead));
	*p = ahead;
	return true;
}

static int read_escape(struct toml_parser *p, bool is_multi, struct strbuf *out)
{
	static const char plain[] = "btnfr\"\\";
	static const char meant[] = "\b\t\n\f\r\"\\";
	struct toml_mark start = toml_mark(p);
	const char *found;
	int c;

	toml_advance(p);
	if (is_multi && skip_line_continuation(p))
		return 0;
	c = toml_peek(p);
	if (c == -1 || c == '\n' || c == '\r')
		return toml_fail_from(p, start, "unfinished escape");
	toml_advance(p);
	if (c == 'u' || c == 'U')
		return read_unicode(p, start, c == 'u' ? 4 : 8, out);
	found = strchr(plain, c);
	if (!found && c >= 0x80)
		return toml_fail_from(p, start, "invalid escape");
	if (!found)
		return toml_fail_from(p, start, "invalid escape \\%c", c);
	strbuf_addch(out, meant[found - plain]);
	return 0;
}

/* One line in quotes of either kind; the opening quote is at p->at. */
static int read_line(struct toml_parser *p, struct strbuf *out)
{
	struct toml_mark start = toml_mark(p);
	int quote = toml_peek(p);

	toml_advance(p);
	for (int c; (c = toml_peek(p)) != quote;) {
		if (c == -1 || c == '\n' || c == '\r')
			return toml_fail_from(p, start, "string without a closing %c", quote);
		if (c == '\\' && quote == '"') {
			if (read_escape(p, false, out) < 0)
				return -1;
			continue;
		}
		strbuf_addch(out, (char)c);
		toml_advance(p);
	}
	toml_advance(p);
	return 0;
}

/* Quotes inside: one or two are text, the last three of up to five close. */
static int read_quotes(struct toml_parser *p, int quote, struct strbuf *out, bool *ret_is_end)
{
	struct toml_mark start = toml_mark(p);
	size_t count = 0;

	while (toml_peek(p) == quote && count <= QUOTES_MAX) {
		toml_advance(p);
		count++;
	}
	if (count > QUOTES_MAX)
		return toml_fail_from(p, start, "too many quotes in a row");
	*ret_is_end = count >= 3;
	for (size_t i = *ret_is_end ? 3 : 0; i < count; i++)
		strbuf_addch(out, (char)quote);
	return 0;
}

static int read_multi_line(struct toml_parser *p, struct strbuf *out)
{
	struct toml_mark start = toml_mark(p);
	int quote = toml_peek(p);
	bool is_end = false;

	for (int i = 0; i < 3; i++)
		toml_advance(p);
	toml_skip_newline(p);
	while (!is_end) {
		int c = toml_peek(p);

		if (c == -1)
			return toml_fail_from(p, start, "string without closing %c%c%c", quote,
			                      quote, quote);
		if (c == quote) {
			if (read_quotes(p, quote, out, &is_end) < 0)
				return -1;
		} else if (c == '\\' && quote == '"') {
			if (read_escape(p, true, out) < 0)
				return -1;
		} else if (toml_skip_newline(p)) {
			strbuf_addch(out, '\n');
		} else {
			strbuf_addch(out, (char)c);
			toml_advance(p);
		}
	}
	return 0;
}

int toml_read_key_string(struct toml_parser *p, struct strbuf *out)
{
	if (toml_looking_at(p, "\"\"\"") || toml_looking_at(p, "'''"))
		return toml_fail_from(p, toml_mark(p), "a key cannot be a multi-line string");
	return read_line(p, out);
}

int toml_read_string(struct toml_parser *p, struct toml_value *ret)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	bool is_multi = toml_looking_at(p, "\"\"\"") || toml_looking_at(p, "'''");

	if ((is_multi ? read_multi_line(p, &text) : read_line(p, &text)) < 0)
		return -1;
	ret->type = TOML_STRING;
	ret->string.len = text.len;
	ret->string.text = strbuf_detach(&text);
	return 0;
}
