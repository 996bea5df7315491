/* toml_parse - what the files of the TOML parser share; nothing outside includes it. */
#pragma once

#include "config/toml.h"

struct strbuf;

/* Where a table came from decides who may add to it. */
enum table_origin {
	TABLE_IMPLICIT, /* [a.b] made a: a header or dotted key may still define it */
	TABLE_HEADER,   /* closed for further headers, and for dotted keys from above */
	TABLE_DOTTED,   /* open for further dotted keys, closed for headers */
	TABLE_INLINE,   /* closed */
};

struct toml_parser {
	const char *text;
	size_t len, at;
	int line;
	size_t line_start;
	size_t values;
	struct toml_pos *error_pos;
	struct error *err;
};

/* A place to go back to, or to report. */
struct toml_mark {
	size_t at, line_start;
	int line;
};

struct toml_key_part {
	char *text;
	size_t len;
	struct toml_pos pos;
};

struct toml_key_path {
	ARRAY(struct toml_key_part) parts;
};

/* toml_lexer.c: characters, marks, white space. */
int toml_peek(const struct toml_parser *p); /* -1 at the end */
int toml_peek_at(const struct toml_parser *p, size_t offset);
bool toml_looking_at(const struct toml_parser *p, const char *text);
void toml_advance(struct toml_parser *p);
void toml_skip_blanks(struct toml_parser *p);  /* space and tab */
void toml_skip_comment(struct toml_parser *p); /* up to the newline */
bool toml_skip_newline(struct toml_parser *p);
void toml_skip_lines(struct toml_parser *p); /* blanks, comments, newlines */
struct toml_mark toml_mark(const struct toml_parser *p);
/* From the mark to here; at least one byte long, and on one line. */
struct toml_pos toml_pos_from(const struct toml_parser *p, struct toml_mark start);
/* Each returns -1. */
int toml_fail_at(struct toml_parser *p, struct toml_pos pos, const char *fmt, ...)
	printf_like(3, 4);
int toml_fail_from(struct toml_parser *p, struct toml_mark start, const char *fmt, ...)
	printf_like(3, 4);
int toml_fail_expected(struct toml_parser *p, const char *what);
/* UTF-8, control characters and bare carriage returns, for the whole text at once. */
int toml_check_text(struct toml_parser *p);

/* toml_string.c */
int toml_read_string(struct toml_parser *p, struct toml_value *ret);
int toml_read_key_string(struct toml_parser *p, struct strbuf *out);

/* toml_number.c, toml_datetime.c: a whole token; 0 when it is not of that kind at all. */
int toml_read_number(struct toml_parser *p, const char *token, size_t len, struct toml_value *ret);
int toml_read_datetime(struct toml_parser *p, const char *token, size_t len,
                       struct toml_value *ret);

/* toml_tree.c */
struct toml_table *toml_table_new(enum table_origin origin);
struct toml_entry *toml_find_len(const struct toml_table *table, const char *key, size_t len);
/* The key must not be there; takes the part's text. */
struct toml_entry *toml_table_add(struct toml_table *table, struct toml_key_part *part);
void toml_value_release(struct toml_value *value);
