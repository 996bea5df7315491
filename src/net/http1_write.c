#include "net/http1.h"

#include <string.h>

static void write_fields(struct strbuf *out, const struct http_head *head)
{
	array_foreach(field, &head->fields) {
		const char *value = http_field_value(head, field);

		strbuf_add(out, http_field_name(head, field), field->name_len);
		strbuf_add(out, ": ", 2);
		strbuf_add(out, value, strlen(value));
		strbuf_add(out, "\r\n", 2);
	}
}

void http1_write_head(struct strbuf *out, const struct http_head *head, bool is_chunked,
                      const char *connection)
{
	strbuf_grow(out, head->text.len + head->fields.len * 4 + 128);
	if (head->status) {
		char status[4] = {(char)('0' + head->status / 100),
		                  (char)('0' + head->status / 10 % 10),
		                  (char)('0' + head->status % 10), ' '};

		strbuf_add(out, "HTTP/1.1 ", 9);
		strbuf_add(out, status, sizeof(status));
		strbuf_adds(out, http_reason(head));
	} else {
		strbuf_adds(out, head->method);
		strbuf_addch(out, ' ');
		strbuf_adds(out, http_target(head));
		strbuf_add(out, " HTTP/1.1", 9);
	}
	strbuf_add(out, "\r\n", 2);
	write_fields(out, head);
	if (is_chunked)
		strbuf_adds(out, "Transfer-Encoding: chunked\r\n");
	if (connection) {
		strbuf_adds(out, "Connection: ");
		strbuf_adds(out, connection);
		strbuf_add(out, "\r\n", 2);
	}
	strbuf_add(out, "\r\n", 2);
}

void http1_write_chunk(struct strbuf *out, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char size[sizeof(len) * 2 + 2];
	size_t at = sizeof(size);

	size[--at] = '\n';
	size[--at] = '\r';
	for (size_t rest = len; rest > 0; rest /= 16)
		size[--at] = digits[rest % 16];
	strbuf_grow(out, sizeof(size) + len + 2);
	strbuf_add(out, size + at, sizeof(size) - at);
	strbuf_add(out, data, len);
	strbuf_add(out, "\r\n", 2);
}

void http1_write_last_chunk(struct strbuf *out, const struct http_head *trailers)
{
	strbuf_add(out, "0\r\n", 3);
	if (trailers)
		write_fields(out, trailers);
	strbuf_add(out, "\r\n", 2);
}
