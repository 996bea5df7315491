#include "cli/log_line.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <openssl/evp.h>

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

static void add_time(const char *text, struct strbuf *out)
{
	char local[CLOCK_TEXT_SIZE];
	int64_t ns;

	if (text && clock_parse_utc(text, &ns)) {
		clock_format_local_time(ns, local);
		strbuf_adds(out, local);
	} else {
		strbuf_addf(out, "%*s", TIME_WIDTH, "");
	}
}

static void add_prefix(struct log_view *view, const char *time, const char *service,
                       struct strbuf *out)
{
	cleanup_free char *name = style_safe_dup(service);
	size_t columns;

	log_view_add_name(view, name);
	columns = style_columns(name);
	style_colour(out, &view->style, COLOUR_DIM);
	add_time(time, out);
	style_reset(out, &view->style);
	strbuf_addch(out, ' ');
	style_text(out, &view->style, style_nth_colour(index_of(view, name)), name);
	strbuf_addf(out, "%*s ", (int)(view->name_width - columns + 1), "");
}

static int decode_base64(const char *text, struct strbuf *out, struct error *err)
{
	size_t len = strlen(text);
	unsigned char *bytes;
	int n;

	if (len == 0)
		return 0;
	bytes = xmalloc(len + 4);
	n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
	if (n >= 0) {
		n -= text[len - 1] == '=';
		n -= len > 1 && text[len - 2] == '=';
		strbuf_add(out, bytes, (size_t)n);
	}
	free(bytes);
	return n < 0 ? error_set(err, ERR_DAEMON, "a log record is not base64") : 0;
}

/* The bytes of a record without the end of the line. */
static int record_bytes(const json_t *record, struct strbuf *out, struct error *err)
{
	const json_t *text = json_object_get(record, "text");
	const char *base64 = json_get_str(record, "base64", NULL);

	if (json_is_string(text))
		strbuf_add(out, json_string_value(text), json_string_length(text));
	else if (base64 && decode_base64(base64, out, err) < 0)
		return -1;
	return 0;
}

static void trim(struct strbuf *bytes)
{
	while (bytes->len > 0 && strchr("\r\n", bytes->buf[bytes->len - 1]))
		strbuf_truncate(bytes, bytes->len - 1);
}

static void add_gap(struct log_view *view, const json_t *gap, struct strbuf *out)
{
	const char *dots = style_glyph_text(&view->style, GLYPH_DOTS);

	if (view->has_prefix)
		add_prefix(view, NULL, json_get_str(gap, "service", "?"), out);
	style_colour(out, &view->style, COLOUR_DIM);
	strbuf_addf(out, "%s ", dots);
	style_count(out, json_get_int(gap, "records", 0));
	strbuf_adds(out, json_get_int(gap, "records", 0) == 1 ? " line (" : " lines (");
	style_bytes(out, json_get_int(gap, "bytes", 0));
	strbuf_addf(out, ") %s %s",
	            str_eq(json_get_str(gap, "kind", "evicted"), "dropped")
	                    ? "lost: the disk was full"
	                    : "evicted by size limit",
	            dots);
	style_reset(out, &view->style);
	strbuf_addch(out, '\n');
}

static bool is_start(const struct strbuf *text)
{
	return str_starts(text->buf, "run ") || str_starts(text->buf, "start");
}

static void add_line(struct log_view *view, const json_t *record, const struct strbuf *bytes,
                     struct strbuf *out)
{
	const char *stream = json_get_str(record, "stream", "out");

	if (view->has_prefix)
		add_prefix(view, json_get_str(record, "time", NULL),
		           json_get_str(record, "service", "?"), out);
	if (str_eq(stream, "event")) {
		style_glyph(out, &view->style, is_start(bytes) ? GLYPH_STARTED : GLYPH_STOPPED);
		strbuf_addch(out, ' ');
		style_safe(out, bytes->buf, bytes->len);
	} else {
		if (view->has_prefix) {
			style_glyph(out, &view->style,
			            str_eq(stream, "err") ? GLYPH_BAR_ERR : GLYPH_BAR);
			strbuf_addch(out, ' ');
		}
		style_safe_sgr(out, &view->style, bytes->buf, bytes->len);
	}
	if (json_get_bool(record, "cont", false))
		strbuf_adds(out, style_glyph_text(&view->style, GLYPH_DOTS));
	strbuf_addch(out, '\n');
}

static void add_raw(const json_t *record, const struct strbuf *bytes, struct strbuf *out)
{
	if (str_eq(json_get_str(record, "stream", "out"), "event"))
		return;
	strbuf_add(out, bytes->buf, bytes->len);
	if (!json_get_bool(record, "cont", false))
		strbuf_addch(out, '\n');
}

int log_view_render(struct log_view *view, const json_t *record, struct strbuf *out,
                    struct error *err)
{
	cleanup(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	const json_t *gap = json_object_get(record, "gap");

	if (gap) {
		if (!view->is_raw)
			add_gap(view, gap, out);
		return 0;
	}
	if (record_bytes(record, &bytes, err) < 0)
		return -1;
	if (view->is_raw) {
		add_raw(record, &bytes, out);
		return 0;
	}
	trim(&bytes);
	add_line(view, record, &bytes, out);
	return 0;
}
