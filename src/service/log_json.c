#include "service/log_json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/utf8.h"
#include "service/log_reader.h"

#include <inttypes.h>
#include <openssl/evp.h>

/* `text` is UTF-8. */
static void add_string(struct strbuf *out, const char *text, size_t len)
{
	size_t plain = 0;

	strbuf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		strbuf_add(out, text + plain, i - plain);
		plain = i + 1;
		if (c >= 0x20)
			strbuf_addf(out, "\\%c", c);
		else
			strbuf_addf(out, "\\u%04x", c);
	}
	strbuf_add(out, text + plain, len - plain);
	strbuf_addch(out, '"');
}

static void add_bytes(struct strbuf *out, const char *data, size_t len)
{
	if (utf8_check(data, len) == len) {
		strbuf_adds(out, ",\"text\":");
		add_string(out, data, len);
		return;
	}
	strbuf_adds(out, ",\"base64\":\"");
	strbuf_grow(out, (len + 2) / 3 * 4 + 1);
	out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->buf + out->len,
	                                    (const unsigned char *)data, (int)len);
	strbuf_addch(out, '"');
}

static void add_gap(const struct log_entry *entry, const char *service, struct strbuf *out)
{
	strbuf_adds(out, "{\"gap\":{\"service\":");
	add_string(out, service, strlen(service));
	strbuf_addf(out, ",\"kind\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}}\n",
	            entry->kind == LOG_ENTRY_EVICTED ? "evicted" : "dropped", entry->gap_records,
	            entry->gap_bytes);
}

void log_json_add(const struct log_entry *entry, const char *service, struct strbuf *out)
{
	static const char *const streams[] = {
		[LOG_OUT] = "out", [LOG_ERR] = "err", [LOG_EVENT] = "event"};
	char time[CLOCK_TEXT_SIZE];
	size_t len = entry->len;

	if (entry->kind != LOG_ENTRY_RECORD) {
		add_gap(entry, service, out);
		return;
	}
	clock_format_utc(entry->real_ns, time);
	strbuf_adds(out, "{\"service\":");
	add_string(out, service, strlen(service));
	strbuf_addf(out,
	            ",\"run\":%" PRIu32 ",\"seq\":%" PRIu64 ",\"time\":\"%s\",\"stream\":\"%s\"",
	            entry->run, entry->seq, time, streams[entry->stream]);
	if (entry->stream == LOG_EVENT) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

		log_entry_text(entry, &text);
		add_bytes(out, text.buf, text.len);
	} else {
		if (len > 0 && entry->data[len - 1] == '\n')
			len--;
		add_bytes(out, entry->data, len);
	}
	if (entry->flags & LOG_CONT)
		strbuf_adds(out, ",\"cont\":true");
	if (entry->flags & LOG_PARTIAL)
		strbuf_adds(out, ",\"partial\":true");
	strbuf_adds(out, "}\n");
}
