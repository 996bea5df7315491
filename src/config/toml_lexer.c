#include "config/toml_parse.h"

#include "base/error.h"
#include "base/str.h"
#include "config/utf8.h"

int toml_peek_at(const struct toml_parser *p, size_t offset)
{
	return offset < p->len - p->at ? (unsigned char)p->text[p->at + offset] : -1;
}

int toml_peek(const struct toml_parser *p)
{
	return toml_peek_at(p, 0);
}

bool toml_looking_at(const struct toml_parser *p, const char *text)
{
	size_t len = strlen(text);

	return p->len - p->at >= len && memcmp(p->text + p->at, text, len) == 0;
}

void toml_advance(struct toml_parser *p)
{
	if (p->at == p->len)
		return;
	if (p->text[p->at++] == '\n') {
		p->line++;
		p->line_start = p->at;
	}
}

void toml_skip_blanks(struct toml_parser *p)
{
	while (toml_peek(p) == ' ' || toml_peek(p) == '\t')
		p->at++;
}

void toml_skip_comment(struct toml_parser *p)
{
	if (toml_peek(p) != '#')
		return;
	while (toml_peek(p) != -1 && toml_peek(p) != '\n' && toml_peek(p) != '\r')
		p->at++;
}

bool toml_skip_newline(struct toml_parser *p)
{
	if (toml_peek(p) == '\r')
		toml_advance(p); /* toml_check_text: a newline follows */
	if (toml_peek(p) != '\n')
		return false;
	toml_advance(p);
	return true;
}

void toml_skip_lines(struct toml_parser *p)
{
	do {
		toml_skip_blanks(p);
		toml_skip_comment(p);
	} while (toml_skip_newline(p));
}

struct toml_mark toml_mark(const struct toml_parser *p)
{
	return (struct toml_mark){.at = p->at, .line_start = p->line_start, .line = p->line};
}

struct toml_pos toml_pos_from(const struct toml_parser *p, struct toml_mark start)
{
	const char *from = p->text + start.at;
	size_t len = p->at - start.at;
	const char *newline = len > 0 ? memchr(from, '\n', len) : NULL;

	if (newline)
		len = (size_t)(newline - from);
	return (struct toml_pos){
		.line = start.line,
		.column = (int)(start.at - start.line_start) + 1,
		.length = len > 0 ? (int)len : 1,
	};
}

static int fail(struct toml_parser *p, struct toml_pos pos, const char *fmt, va_list args)
{
	cleanup_free char *text = xvasprintf(fmt, args);

	*p->error_pos = pos;
	return error_set(p->err, ERR_CONFIG, "%s", text);
}

int toml_fail_at(struct toml_parser *p, struct toml_pos pos, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail(p, pos, fmt, args);
	va_end(args);
	return -1;
}

int toml_fail_from(struct toml_parser *p, struct toml_mark start, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fail(p, toml_pos_from(p, start), fmt, args);
	va_end(args);
	return -1;
}

int toml_fail_expected(struct toml_parser *p, const char *what)
{
	int c = toml_peek(p);
	struct toml_mark here = toml_mark(p);

	if (c == -1)
		return toml_fail_from(p, here, "expected %s, got the end of the file", what);
	if (c == '\n' || c == '\r')
		return toml_fail_from(p, here, "expected %s, got the end of the line", what);
	if (c >= 0x80)
		return toml_fail_from(p, here, "expected %s, got a character that is not ASCII",
		                      what);
	return toml_fail_from(p, here, "expected %s, got '%c'", what, c);
}

int toml_check_text(struct toml_parser *p)
{
	struct toml_mark start = toml_mark(p);

	while (p->at < p->len) {
		struct toml_mark here = toml_mark(p);
		unsigned char c = (unsigned char)p->text[p->at];
		size_t len = utf8_length(p->text + p->at, p->len - p->at);

		if (len == 0)
			return toml_fail_from(p, here, "invalid UTF-8: byte 0x%02x", c);
		if (c == '\r' && toml_peek_at(p, 1) != '\n')
			return toml_fail_from(p, here, "carriage return without a newline");
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return toml_fail_from(p, here, "control character 0x%02x is not allowed",
			                      c);
		if (c == '\n')
			toml_advance(p);
		else
			p->at += len;
	}
	p->at = start.at;
	p->line = start.line;
	p->line_start = start.line_start;
	return 0;
}
