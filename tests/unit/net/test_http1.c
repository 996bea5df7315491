#include "base/error.h"
#include "net/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What the parser said, as text: "GET /x 11 [Host=a] body(3)abc end …". */
static void tell(struct strbuf *out, struct http1_parser *parser, enum http1_what what,
                 bool *in_body)
{
	const struct http_message *message = http1_message(parser);
	const struct http_head *head = what == HTTP1_END ? &message->trailers : &message->head;
	const char *body;
	size_t len;

	if (what == HTTP1_BODY) {
		body = http1_body(parser, &len);
		assert_true(len > 0);
		strbuf_adds(out, *in_body ? "" : "body:");
		strbuf_add(out, body, len);
		*in_body = true;
		return;
	}
	strbuf_adds(out, *in_body ? " " : "");
	*in_body = false;
	if (what == HTTP1_HEAD && head->status)
		strbuf_addf(out, "%d %s ", head->status, http_reason(head));
	else if (what == HTTP1_HEAD)
		strbuf_addf(out, "%s %s ", head->method, http_target(head));
	array_foreach(field, &head->fields)
		strbuf_addf(out, "[%s=%s] ", http_field_name(head, field),
		            http_field_value(head, field));
	if (what == HTTP1_HEAD && message->is_last)
		strbuf_adds(out, "last ");
	if (what == HTTP1_END)
		strbuf_adds(out, "end\n");
}

/* Parses text that arrives in two pieces, or byte by byte (split < 0); -1 when it is refused. */
static int parse(enum http1_kind kind, bool is_head, const char *text, size_t len, ssize_t split,
                 struct strbuf *out, int *status)
{
	cleanup(freep_http1_parser) struct http1_parser *parser = http1_parser_new(kind);
	cleanup(error_release) struct error err = ERROR_INIT;
	bool in_body = false;
	size_t at = 0;

	http1_response_to_head(parser, is_head);
	while (true) {
		size_t limit = split < 0 ? at + 1 : at < (size_t)split ? (size_t)split : len;
		size_t have = (limit < len ? limit : len) - at;
		/* A copy of exactly the size, so that reading past it is seen. */
		cleanup_free char *piece = xmemdup(text + at, have);
		enum http1_what what;
		ssize_t n = http1_next(parser, piece, have, &what, &err);

		if (n < 0) {
			*status = http1_error_status(parser);
			assert_non_null(err.text);
			return -1;
		}
		assert_true((size_t)n <= have);
		at += (size_t)n;
		if (what != HTTP1_MORE)
			tell(out, parser, what, &in_body);
		else if (at == len)
			break;
	}
	*status = http1_is_inside(parser);
	if (http1_end_of_input(parser, &err) < 0)
		strbuf_adds(out, "cut");
	else if (*status)
		strbuf_adds(out, " closed");
	return 0;
}

static void check(enum http1_kind kind, bool is_head, const char *text, const char *want)
{
	size_t len = strlen(text);

	for (ssize_t split = -1; split <= (ssize_t)len; split++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		int status;

		assert_int_equal(parse(kind, is_head, text, len, split, &out, &status), 0);
		assert_string_equal(out.buf, want);
	}
}

static void requests_are_read_in_any_pieces(void **state)
{
	check(HTTP1_REQUESTS, false, "GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n",
	      "GET /a?b=1 [Host=x] end\n");
	check(HTTP1_REQUESTS, false,
	      "\r\nPOST / HTTP/1.1\r\nhOsT:\tx:80 \t\r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello"
	      "GET /2 HTTP/1.1\r\nHost: y\r\nConnection: foo, CLOSE\r\n\r\n",
	      "POST / [hOsT=x:80] [Empty=] [Content-Length=5] body:hello end\n"
	      "GET /2 [Host=y] [Connection=foo, CLOSE] last end\n");
	check(HTTP1_REQUESTS, false,
	      "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
	      "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nSum: 1\r\nX: y\r\n\r\n"
	      "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	      "PUT /c [Host=x] [Transfer-Encoding=Chunked] body:abc0123456789 [Sum=1] [X=y] end\n"
	      "OPTIONS * [Host=x] end\n");
	check(HTTP1_REQUESTS, false, "GET http://X/p?q HTTP/1.1\r\nHost: x\r\n\r\n",
	      "GET /p?q [Host=x] end\n");
	check(HTTP1_REQUESTS, false, "GET / HTTP/1.0\r\n\r\n", "GET / last end\n");
	check(HTTP1_REQUESTS, false,
	      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	      "GET /ws [Host=x] [Upgrade=websocket] [Connection=Upgrade] end\n");
	check(HTTP1_REQUESTS, false, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	      "POST / [Host=x] [Content-Length=0] end\n");
}

static void a_cut_request_is_told(void **state)
{
	check(HTTP1_REQUESTS, false, "GET / HTT", "cut");
	check(HTTP1_REQUESTS, false, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
	      "POST / [Host=x] [Content-Length=9] body:abccut");
	check(HTTP1_REQUESTS, false, "", "");
}

static void responses_end_where_they_must(void **state)
{
	check(HTTP1_RESPONSES, false,
	      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	      "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"
	      "HTTP/1.1 304\r\nETag: \"x\"\r\n\r\n",
	      "100 Continue end\n200 OK [Content-Length=2] body:hi end\n"
	      "204 No Content [Content-Length=7] end\n304  [ETag=\"x\"] end\n");
	check(HTTP1_RESPONSES, true, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
	      "200 OK [Content-Length=99] end\n");
	check(HTTP1_RESPONSES, false, "HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of it",
	      "200 OK [X=y] last body:all of it closed");
	check(HTTP1_RESPONSES, false,
	      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: 1\r\n\r\n",
	      "200 OK [Transfer-Encoding=chunked] body:a [T=1] end\n");
	check(HTTP1_RESPONSES, false,
	      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	      "101 Switching Protocols [Upgrade=x] [Connection=upgrade] end\n");
	check(HTTP1_RESPONSES, false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
	      "200 OK [Content-Length=5] body:abcut");
}

struct bad {
	int status;
	const char *text;
};

#define GET  "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"

static const struct bad bad_requests[] = {
	/* start line */
	{400, "hello\r\n\r\n"},
	{400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "get / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{505, "GET /\r\nHost: x\r\n\r\n"},
	{400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
	{400, "GET / http/1.1\r\nHost: x\r\n\r\n"},
	{505, "GET / HTTP/1.10\r\nHost: x\r\n\r\n"},
	{505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
	{505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
	{505, "GET / HTTP/0.9\r\nHost: x\r\n\r\n"},
	{400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{400, "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "\n" GET "\r\n"},
	{400, "GET /#f HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET x HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET http://x@y/ HTTP/1.1\r\nHost: x\r\n\r\n"},
	{400, "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n"},
	{405, "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"},
	{400, "\x16\x03\x01\x02\r\n\r\n"},
	/* lines and fields */
	{400, "GET / HTTP/1.1\nHost: x\n\n"},
	{400, "GET / HTTP/1.1\r\nHost: x\n\r\n"},
	{400, GET "A: b\rC: d\r\n\r\n"},
	{400, GET "A: b\r\r\n\r\n"},
	{400, GET "A: b\r\n folded\r\n\r\n"},
	{400, GET "A: b\r\n\tfolded\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
	{400, GET "A : b\r\n\r\n"},
	{400, GET "A b\r\n\r\n"},
	{400, GET ": b\r\n\r\n"},
	{400, GET "A\x7f: b\r\n\r\n"},
	{400, GET "A: \x08\r\n\r\n"},
	{400, GET "A(: b\r\n\r\n"},
	{400, GET "\xc3\xa9: b\r\n\r\n"},
	/* Host */
	{400, "GET / HTTP/1.1\r\nA: b\r\n\r\n"},
	{400, GET "Host: x\r\n\r\n"},
	{400, GET "host: y\r\n\r\n"},
	{400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	{400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
	/* framing */
	{400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
	{400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
	{400, POST "Content-Length: 5, 5\r\n\r\nhello"},
	{400, POST "Content-Length: +5\r\n\r\nhello"},
	{400, POST "Content-Length: -1\r\n\r\n"},
	{400, POST "Content-Length: 0x5\r\n\r\nhello"},
	{400, POST "Content-Length: 5 5\r\n\r\nhello"},
	{400, POST "Content-Length:\r\n\r\n"},
	{400, POST "Content-Length: 99999999999999999999\r\n\r\n"},
	{400, POST "Content-Length: 9223372036854775807\r\n\r\n"},
	{400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"},
	{400, POST "Transfer-Encoding: identity\r\n\r\n"},
	{400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n"},
	{400, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	/* chunks */
	{400, POST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n"},
	{400, POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n"},
};

static void refuse_all(enum http1_kind kind, const struct bad *bad, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(bad[i].text);

		for (ssize_t split = -1; split <= (ssize_t)len; split++) {
			cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
			int status = 0;

			if (parse(kind, false, bad[i].text, len, split, &out, &status) == 0)
				fail_msg("accepted: %s", bad[i].text);
			if (status != bad[i].status)
				fail_msg("%d instead of %d: %s", status, bad[i].status,
				         bad[i].text);
		}
	}
}

static void smuggling_is_refused(void **state)
{
	refuse_all(HTTP1_REQUESTS, bad_requests, ARRAY_LEN(bad_requests));
}

static void bad_responses_are_refused(void **state)
{
	static const struct bad bad[] = {
		{400, "hello\r\n\r\n"},
		{400, "\r\nHTTP/1.1 200 OK\r\n\r\n"},
		{400, "HTTP/1.1 20 OK\r\n\r\n"},
		{400, "HTTP/1.1 099 Low\r\n\r\n"},
		{505, "HTTP/3.0 200 OK\r\n\r\n"},
		{400, "HTTP/1.1 200 OK\nA: b\n\n"},
		{400, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"},
		{400, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
		{400, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{400, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	};

	refuse_all(HTTP1_RESPONSES, bad, ARRAY_LEN(bad));
}

static void nul_is_refused_everywhere(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		char copy[sizeof(text)];
		int status;

		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		assert_int_equal(
			parse(HTTP1_REQUESTS, false, copy, sizeof(text) - 1, 0, &out, &status), -1);
		assert_int_equal(status, 400);
	}
}

/* A request with a target, a number of fields and one field's value of the given sizes. */
static int parse_sized(size_t target, size_t fields, size_t value, int *status)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;

	strbuf_adds(&text, "GET /");
	for (size_t i = 1; i < target; i++)
		strbuf_addch(&text, 'a');
	strbuf_adds(&text, " HTTP/1.1\r\nHost: x\r\n");
	for (size_t i = 1; i < fields; i++) {
		strbuf_adds(&text, "F: ");
		for (size_t j = 0; j < value; j++)
			strbuf_addch(&text, 'v');
		strbuf_adds(&text, "\r\n");
	}
	strbuf_adds(&text, "\r\n");
	return parse(HTTP1_REQUESTS, false, text.buf, text.len, (ssize_t)text.len, &out, status);
}

static void limits_hold(void **state)
{
	int status;

	assert_int_equal(parse_sized(16000, 1, 0, &status), 0);
	assert_int_equal(parse_sized(17000, 1, 0, &status), -1);
	assert_int_equal(status, 414);
	assert_int_equal(parse_sized(1, 2, 16380, &status), 0);
	assert_int_equal(parse_sized(1, 2, 16384, &status), -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse_sized(1, 100, 1, &status), 0);
	assert_int_equal(parse_sized(1, 101, 1, &status), -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse_sized(1, 5, 16000, &status), 0);
	assert_int_equal(parse_sized(1, 6, 16000, &status), -1);
	assert_int_equal(status, 431);
}

static void heads_are_written_and_read_back(void **state)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	http_head_reset(&head);
	http_head_set_request(&head, "POST", "/x");
	http_head_add(&head, "Host", "h");
	http_head_addf(&head, "N", "%d", 7);
	http1_write_head(&out, &head, true, "close");
	http1_write_chunk(&out, "0123456789abcdef!", 17);
	http_head_reset(&head);
	http_head_add(&head, "T", "1");
	http1_write_last_chunk(&out, &head);
	assert_string_equal(out.buf, "POST /x HTTP/1.1\r\nHost: h\r\nN: 7\r\n"
	                             "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	                             "11\r\n0123456789abcdef!\r\n0\r\nT: 1\r\n\r\n");
	check(HTTP1_REQUESTS, false, out.buf,
	      "POST /x [Host=h] [N=7] [Transfer-Encoding=chunked] [Connection=close] last "
	      "body:0123456789abcdef! [T=1] end\n");

	strbuf_reset(&out);
	http_head_reset(&head);
	http_head_set_status(&head, 404);
	http1_write_head(&out, &head, false, NULL);
	assert_string_equal(out.buf, "HTTP/1.1 404 Not Found\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_read_in_any_pieces),
		cmocka_unit_test(a_cut_request_is_told),
		cmocka_unit_test(responses_end_where_they_must),
		cmocka_unit_test(smuggling_is_refused),
		cmocka_unit_test(bad_responses_are_refused),
		cmocka_unit_test(nul_is_refused_everywhere),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(heads_are_written_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
