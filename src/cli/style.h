/*
 * style - colours, glyphs and safe text for one destination.
 *
 * Everything the user sees is composed in a strbuf with a style, so that a test
 * compares text.  A glyph has an ASCII twin, and no meaning is in colour alone.
 * What comes from services, files or the network goes through style_safe():
 * terminals obey control characters, and such text must not.
 */
#pragma once

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

struct style {
	bool colour;
	bool unicode;
	bool links; /* OSC 8 */
	int width;  /* 0: no limit */
};

enum colour {
	COLOUR_NONE,
	COLOUR_BOLD,
	COLOUR_DIM,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_BLUE,
	COLOUR_MAGENTA,
	COLOUR_CYAN,
};

enum glyph {
	GLYPH_OK,
	GLYPH_FAIL,
	GLYPH_WARN,
	GLYPH_WAIT,
	GLYPH_BAR,     /* between a log line and its service */
	GLYPH_BAR_ERR, /* the same for standard error */
	GLYPH_STARTED,
	GLYPH_STOPPED,
	GLYPH_ARROW,
	GLYPH_DOTS,
};

void style_colour(struct strbuf *out, const struct style *style, enum colour colour);
void style_reset(struct strbuf *out, const struct style *style);
/* `text` is ours: it is not escaped. */
void style_text(struct strbuf *out, const struct style *style, enum colour colour,
                const char *text);
/* In the colour of its meaning. */
void style_glyph(struct strbuf *out, const struct style *style, enum glyph glyph);
const char *style_glyph_text(const struct style *style, enum glyph glyph);
/* The n-th picture of a spinner, any n >= 0. */
const char *style_spinner(const struct style *style, unsigned n);
/* The n-th colour that tells services apart. */
enum colour style_nth_colour(size_t n);

/*
 * Text from outside: control characters, those that reorder text, and bytes that
 * are not UTF-8 come out as \xNN and \u{NNNN}; a tab stays.
 */
void style_safe(struct strbuf *out, const char *text, size_t len);
/* As style_safe(), but colour sequences (SGR) stay with a coloured style and vanish without. */
void style_safe_sgr(struct strbuf *out, const struct style *style, const char *text, size_t len);
char *style_safe_dup(const char *text) must_check;

/* A URL, as a link where that is possible. */
void style_url(struct strbuf *out, const struct style *style, const char *url);

/* Columns that text takes: code points, without escape sequences. */
size_t style_columns(const char *text);
/* Cuts text to that many columns, the last being the dots when something was cut. */
void style_cut(struct strbuf *out, const struct style *style, const char *text, size_t columns);

/* "31ms", "1.2s", "14s", "4m12s", "2h14m", "3d4h" */
void style_duration(struct strbuf *out, int64_t ms);
/* The same in whole seconds: "0s", "14s". */
void style_age(struct strbuf *out, int64_t ms);
/* "512 B", "3.1 MB" */
void style_bytes(struct strbuf *out, int64_t bytes);
/* "18,204" */
void style_count(struct strbuf *out, int64_t count);
