#include "fuzz.h"

#include "base/error.h"
#include "net/http1.h"

#include <string.h>

/*
 * The first byte chooses requests, responses or responses to HEAD.  However the rest is cut
 * into pieces, the parser says the same; and what it takes for a head, written, is that head.
 */
static void check_written(enum http1_kind kind, const struct http_head *head)
{
	cleanup(freep_http1_parser) struct http1_parser *again = http1_parser_new(kind);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct http_head *copy = &http1_message(again)->head;
	enum http1_what what;

	if (head->version == 10)
		return; /* it is written as 1.1, which needs a Host */
	http1_write_head(&text, head, false, NULL);
	fuzz_check(http1_next(again, text.buf, text.len, &what, &err) == (ssize_t)text.len);
	fuzz_check(what == HTTP1_HEAD);
	fuzz_check(strcmp(copy->method, head->method) == 0 && copy->status == head->status);
	fuzz_check(head->status || strcmp(http_target(copy), http_target(head)) == 0);
	fuzz_check(copy->fields.len == head->fields.len);
	for (size_t i = 0; i < head->fields.len; i++) {
		fuzz_check(strcmp(http_field_name(copy, &copy->fields.items[i]),
		                  http_field_name(head, &head->fields.items[i])) == 0);
		fuzz_check(strcmp(http_field_value(copy, &copy->fields.items[i]),
		                  http_field_value(head, &head->fields.items[i])) == 0);
	}
}

static void add_fields(struct strbuf *out, const struct http_head *head)
{
	array_foreach(field, &head->fields) {
		fuzz_check(http_is_token(http_field_name(head, field), field->name_len));
		fuzz_check(!strpbrk(http_field_value(head, field), "\r\n"));
		strbuf_addf(out, "%s=%s;", http_field_name(head, field),
		            http_field_value(head, field));
	}
}

static void note(struct strbuf *out, enum http1_kind kind, struct http1_parser *parser,
                 enum http1_what what)
{
	const struct http_message *message = http1_message(parser);
	const char *body;
	size_t len;

	switch (what) {
	case HTTP1_HEAD:
		check_written(kind, &message->head);
		strbuf_addf(out, "\nhead %s %d %d %d:", message->head.method, message->head.status,
		            message->body, message->is_last);
		add_fields(out, &message->head);
		strbuf_addch(out, '\n');
		break;
	case HTTP1_BODY:
		body = http1_body(parser, &len);
		fuzz_check(len > 0);
		strbuf_add(out, body, len);
		break;
	case HTTP1_END:
		strbuf_adds(out, "\nend:");
		add_fields(out, &message->trailers);
		break;
	case HTTP1_MORE:
		break;
	}
}

/* All that is said about the input when it comes in pieces of that size. */
static void parse(uint8_t choice, const char *data, size_t size, size_t piece, struct strbuf *out)
{
	enum http1_kind kind = choice % 3 ? HTTP1_RESPONSES : HTTP1_REQUESTS;
	cleanup(freep_http1_parser) struct http1_parser *parser = http1_parser_new(kind);
	cleanup(error_release) struct error err = ERROR_INIT;
	enum http1_what what = HTTP1_END;
	size_t at = 0;

	http1_response_to_head(parser, choice % 3 == 2);
	while (at < size || what != HTTP1_MORE) {
		size_t have = size - at < piece ? size - at : piece;
		ssize_t n = http1_next(parser, data + at, have, &what, &err);

		if (n < 0) {
			fuzz_check(err.text && http1_error_status(parser) >= 400);
			strbuf_adds(out, "\nrefused");
			return;
		}
		fuzz_check((size_t)n <= have && (n > 0 || what != HTTP1_MORE || have == 0));
		note(out, kind, parser, what);
		at += (size_t)n;
	}
	strbuf_adds(out, http1_end_of_input(parser, &err) < 0 ? "\ncut" : "\nwhole");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(strbuf_release) struct strbuf whole = STRBUF_INIT, bytes = STRBUF_INIT;

	if (size == 0)
		return 0;
	parse(data[0], (const char *)data + 1, size - 1, size, &whole);
	parse(data[0], (const char *)data + 1, size - 1, 1, &bytes);
	fuzz_check(whole.len == bytes.len && memcmp(whole.buf, bytes.buf, whole.len) == 0);
	return 0;
}
