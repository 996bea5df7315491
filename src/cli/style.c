#include "cli/style.h"

#include "base/str.h"

#include <inttypes.h>

static const char *const sgr[] = {
	[COLOUR_NONE] = "",         [COLOUR_BOLD] = "\033[1m",     [COLOUR_DIM] = "\033[2m",
	[COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m",   [COLOUR_YELLOW] = "\033[33m",
	[COLOUR_BLUE] = "\033[34m", [COLOUR_MAGENTA] = "\033[35m", [COLOUR_CYAN] = "\033[36m",
};

static const struct {
	const char *unicode, *ascii;
	enum colour colour;
} glyphs[] = {
	[GLYPH_OK] = {"✔", "+", COLOUR_GREEN},      [GLYPH_FAIL] = {"✘", "x", COLOUR_RED},
	[GLYPH_WARN] = {"!", "!", COLOUR_YELLOW},   [GLYPH_WAIT] = {"·", "-", COLOUR_DIM},
	[GLYPH_BAR] = {"│", "|", COLOUR_DIM},       [GLYPH_BAR_ERR] = {"┃", "!", COLOUR_RED},
	[GLYPH_STARTED] = {"▶", ">", COLOUR_GREEN}, [GLYPH_STOPPED] = {"■", "#", COLOUR_YELLOW},
	[GLYPH_ARROW] = {"→", "->", COLOUR_DIM},    [GLYPH_DOTS] = {"…", "...", COLOUR_NONE},
};

void style_colour(struct strbuf *out, const struct style *style, enum colour colour)
{
	if (style->colour)
		strbuf_adds(out, sgr[colour]);
}

void style_reset(struct strbuf *out, const struct style *style)
{
	if (style->colour)
		strbuf_adds(out, "\033[0m");
}

void style_text(struct strbuf *out, const struct style *style, enum colour colour, const char *text)
{
	if (colour == COLOUR_NONE) {
		strbuf_adds(out, text);
		return;
	}
	style_colour(out, style, colour);
	strbuf_adds(out, text);
	style_reset(out, style);
}

const char *style_glyph_text(const struct style *style, enum glyph glyph)
{
	return style->unicode ? glyphs[glyph].unicode : glyphs[glyph].ascii;
}

void style_glyph(struct strbuf *out, const struct style *style, enum glyph glyph)
{
	style_text(out, style, glyphs[glyph].colour, style_glyph_text(style, glyph));
}

const char *style_spinner(const struct style *style, unsigned n)
{
	static const char *const unicode[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
	static const char *const ascii[] = {"|", "/", "-", "\\"};

	return style->unicode ? unicode[n % ARRAY_LEN(unicode)] : ascii[n % ARRAY_LEN(ascii)];
}

enum colour style_nth_colour(size_t n)
{
	static const enum colour colours[] = {COLOUR_CYAN, COLOUR_MAGENTA, COLOUR_GREEN,
	                                      COLOUR_YELLOW, COLOUR_BLUE};

	return colours[n % ARRAY_LEN(colours)];
}

/* Decodes one code point; returns its length, 0 when the bytes are not UTF-8. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = s[0] < 0x80   ? 1
	              : s[0] < 0xc2 ? 0
	              : s[0] < 0xe0 ? 2
	              : s[0] < 0xf0 ? 3
	              : s[0] < 0xf5 ? 4
	                            : 0;
	uint32_t code;

	if (size == 0 || size > len)
		return 0;
	code = size == 1 ? s[0] : s[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret = code;
	return size;
}

/* C0 and C1 controls, line separators, and what changes the direction of text. */
static bool is_hostile(uint32_t code)
{
	return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0) || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* Appends what is at `text`, safely; returns the bytes used. */
static size_t add_safe_point(struct strbuf *out, const char *text, size_t len)
{
	uint32_t code;
	size_t size = decode((const unsigned char *)text, len, &code);

	if (size == 0) {
		strbuf_addf(out, "\\x%02x", (unsigned char)text[0]);
		return 1;
	}
	if (!is_hostile(code))
		strbuf_add(out, text, size);
	else if (code < 0x80)
		strbuf_addf(out, "\\x%02x", code);
	else
		strbuf_addf(out, "\\u{%x}", code);
	return size;
}

void style_safe(struct strbuf *out, const char *text, size_t len)
{
	while (len > 0) {
		size_t used = add_safe_point(out, text, len);

		text += used;
		len -= used;
	}
}

/* The length of an SGR sequence (ESC [ digits, `;` and `:` m) at text; 0 when there is none. */
static size_t sgr_len(const char *text, size_t len)
{
	size_t i = 2;

	if (len < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (i < len && (strchr("0123456789;:", text[i]) && text[i]))
		i++;
	return i < len && text[i] == 'm' ? i + 1 : 0;
}

void style_safe_sgr(struct strbuf *out, const struct style *style, const char *text, size_t len)
{
	bool coloured = false;

	while (len > 0) {
		size_t used = sgr_len(text, len);

		if (used && style->colour) {
			strbuf_add(out, text, used);
			coloured = true;
		}
		if (!used)
			used = add_safe_point(out, text, len);
		text += used;
		len -= used;
	}
	if (coloured)
		style_reset(out, style);
}

char *style_safe_dup(const char *text)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	style_safe(&out, text, strlen(text));
	return strbuf_detach(&out);
}

void style_url(struct strbuf *out, const struct style *style, const char *url)
{
	cleanup_free char *safe = style_safe_dup(url);

	if (style->links)
		strbuf_addf(out, "\033]8;;%s\033\\", safe);
	style_text(out, style, COLOUR_CYAN, safe);
	if (style->links)
		strbuf_adds(out, "\033]8;;\033\\");
}

/* The length of an escape sequence of ours (CSI or OSC) at text; 0 when there is none. */
static size_t escape_len(const char *text)
{
	size_t i = 2;

	if (text[0] != '\033')
		return 0;
	if (text[1] == '[') {
		while (text[i] && (text[i] < '@' || text[i] > '~'))
			i++;
		return text[i] ? i + 1 : i;
	}
	if (text[1] == ']') {
		while (text[i] && text[i] != '\033')
			i++;
		return text[i] && text[i + 1] ? i + 2 : i;
	}
	return 1;
}

static size_t point_len(const char *text)
{
	size_t len = 1;

	while ((text[len] & 0xc0) == 0x80)
		len++;
	return len;
}

size_t style_columns(const char *text)
{
	size_t columns = 0;

	while (*text) {
		size_t escape = escape_len(text);

		text += escape ? escape : point_len(text);
		columns += escape ? 0 : 1;
	}
	return columns;
}

void style_cut(struct strbuf *out, const struct style *style, const char *text, size_t columns)
{
	const char *dots = style_glyph_text(style, GLYPH_DOTS);
	size_t dots_columns = style_columns(dots), used = 0;
	bool escaped = false;

	if (style_columns(text) <= columns) {
		strbuf_adds(out, text);
		return;
	}
	if (columns < dots_columns)
		return;
	while (*text && used < columns - dots_columns) {
		size_t escape = escape_len(text), len = escape ? escape : point_len(text);

		strbuf_add(out, text, len);
		escaped |= escape > 0;
		used += escape ? 0 : 1;
		text += len;
	}
	strbuf_adds(out, dots);
	if (escaped)
		style_reset(out, style);
}

void style_duration(struct strbuf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 0)
		strbuf_adds(out, "0ms");
	else if (ms < 100)
		strbuf_addf(out, "%" PRId64 "ms", ms);
	else if (ms < 9950 && (ms + 50) / 100 % 10)
		strbuf_addf(out, "%" PRId64 ".%" PRId64 "s", (ms + 50) / 1000,
		            (ms + 50) / 100 % 10);
	else if (ms < 9950)
		strbuf_addf(out, "%" PRId64 "s", (ms + 50) / 1000);
	else if (s < 60)
		strbuf_addf(out, "%" PRId64 "s", s);
	else if (s < 3600)
		strbuf_addf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		strbuf_addf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		strbuf_addf(out, "%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
}

void style_age(struct strbuf *out, int64_t ms)
{
	if (ms < 1000)
		strbuf_adds(out, "0s");
	else
		style_duration(out, ms / 1000 * 1000);
}

void style_bytes(struct strbuf *out, int64_t bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		strbuf_addf(out, "%" PRId64 " B", bytes);
		return;
	}
	for (value /= 1000; value >= 999.95 && unit + 1 < ARRAY_LEN(units); unit++)
		value /= 1000;
	strbuf_addf(out, "%.1f %s", value, units[unit]);
}

void style_count(struct strbuf *out, int64_t count)
{
	char digits[32];
	size_t len;

	snprintf(digits, sizeof(digits), "%" PRId64, count);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			strbuf_addch(out, ',');
		strbuf_addch(out, digits[i]);
	}
}
