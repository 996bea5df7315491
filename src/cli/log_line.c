#include "cli/log_line.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "service/log_reader.h"

#define TIME_WIDTH 12 /* "12:01:07.412" */

void log_view_release(struct log_view *view)
{
	array_foreach(name, &view->names)
		free(*name);
	array_release(&view->names);
}

static size_t index_of(struct log_view *view, const char *name)
{
	array_foreach(known, &view->names)
		if (str_eq(*known, name))
			return array_index(&view->names, known);
	*array_add(&view->names) = xstrdup(name);
	return view->names.len - 1;
}

void log_view_add_name(struct log_view *view, const char *name)
{
	size_t columns = style_columns(name);

	index_of(view, name);
	if (columns > view->name_width)
		view->name_width = columns;
}

/* real_ns 0: no time. */
static void add_prefix(struct log_view *view, int64_t real_ns, const char *service,
                       struct strbuf *out)
{
	cleanup_free char *name = style_safe_dup(service);
	char time[CLOCK_TEXT_SIZE] = "";
	size_t columns;

	log_view_add_name(view, name);
	columns = style_columns(name);
	if (real_ns)
		clock_format_local_time(real_ns, time);
	style_colour(out, &view->style, COLOUR_DIM);
	strbuf_addf(out, "%*s", TIME_WIDTH, time);
	style_reset(out, &view->style);
	strbuf_addch(out, ' ');
	style_text(out, &view->style, style_nth_colour(index_of(view, name)), name);
	strbuf_addf(out, "%*s ", (int)(view->name_width - columns + 1), "");
}

/* --- lines --- */

/* After ESC and its introducer, up to a string's end (BEL, ESC \); 0: it has none. */
static size_t string_len(const char *text, size_t len)
{
	for (size_t i = 2; i < len; i++) {
		if (text[i] == '\a')
			return i + 1;
		if (text[i] == '\033')
			return i + 1 < len && text[i + 1] == '\\' ? i + 2 : 0;
	}
	return 0;
}

/* The length of a whole escape sequence at text; 0: none, so what is there is shown as text. */
static size_t escape_len(const char *text, size_t len)
{
	size_t i = 2;

	if (len < 2 || text[0] != '\033')
		return 0;
	if (text[1] == ']' || text[1] == 'P' || text[1] == '_' || text[1] == '^' || text[1] == 'X')
		return string_len(text, len);
	if (text[1] == '[') {
		while (i < len && text[i] >= 0x20 && text[i] < 0x40)
			i++;
		return i < len && text[i] >= 0x40 && text[i] < 0x7f ? i + 1 : 0;
	}
	/* ESC, intermediates, final: a character set, a cursor's place */
	for (i = 1; i < len && text[i] >= 0x20 && text[i] < 0x30; i++)
		continue;
	return i < len && text[i] >= 0x30 && text[i] < 0x7f ? i + 1 : 0;
}

static bool is_colour(const char *sequence, size_t len)
{
	return sequence[1] == '[' && sequence[len - 1] == 'm';
}

/* Where the last text begins that overwrote what was on the line before it. */
static size_t overwritten(const char *line, size_t len)
{
	const char *last = memrchr(line, '\r', len);

	return last ? (size_t)(last + 1 - line) : 0;
}

void log_line_safe(struct strbuf *out, const struct style *style, const char *line, size_t len)
{
	cleanup(strbuf_release) struct strbuf plain = STRBUF_INIT;
	size_t at;

	while (len > 0 && strchr("\r\n", line[len - 1]) && line[len - 1])
		len--;
	at = overwritten(line, len);
	if (!memchr(line + at, '\033', len - at)) {
		style_safe(out, line + at, len - at);
		return;
	}
	while (at < len) {
		size_t used = escape_len(line + at, len - at);

		if (used == 0 || is_colour(line + at, used))
			strbuf_add(&plain, line + at, used ? used : 1);
		at += used ? used : 1;
	}
	style_safe_sgr(out, style, plain.buf, plain.len);
}

static void add_gap(struct log_view *view, const struct log_entry *gap, const char *service,
                    struct strbuf *out)
{
	const char *dots = style_glyph_text(&view->style, GLYPH_DOTS);

	if (view->has_prefix)
		add_prefix(view, 0, service, out);
	style_colour(out, &view->style, COLOUR_DIM);
	strbuf_addf(out, "%s ", dots);
	style_count(out, (int64_t)gap->gap_records);
	strbuf_adds(out, gap->gap_records == 1 ? " line (" : " lines (");
	style_bytes(out, (int64_t)gap->gap_bytes);
	strbuf_addf(out, ") %s %s",
	            gap->kind == LOG_ENTRY_DROPPED ? "lost: the disk was full"
	                                           : "evicted by size limit",
	            dots);
	style_reset(out, &view->style);
	strbuf_addch(out, '\n');
}

static void add_event(struct log_view *view, const struct log_entry *event, struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	log_entry_text(event, &text);
	style_glyph(out, &view->style,
	            str_starts(text.buf, "run ") ? GLYPH_STARTED : GLYPH_STOPPED);
	strbuf_addch(out, ' ');
	style_safe(out, text.buf, text.len);
}

void log_view_render(struct log_view *view, const struct log_entry *entry, const char *service,
                     struct strbuf *out)
{
	if (entry->kind != LOG_ENTRY_RECORD) {
		add_gap(view, entry, service, out);
		return;
	}
	if (view->has_prefix)
		add_prefix(view, entry->real_ns, service, out);
	if (entry->stream == LOG_EVENT) {
		add_event(view, entry, out);
	} else {
		if (view->has_prefix) {
			style_glyph(out, &view->style,
			            entry->stream == LOG_ERR ? GLYPH_BAR_ERR : GLYPH_BAR);
			strbuf_addch(out, ' ');
		}
		log_line_safe(out, &view->style, entry->data, entry->len);
	}
	if (entry->flags & LOG_CONT)
		strbuf_adds(out, style_glyph_text(&view->style, GLYPH_DOTS));
	strbuf_addch(out, '\n');
}
