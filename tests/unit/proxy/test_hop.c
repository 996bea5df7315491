#include "net/http1.h"
#include "proxy/hop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct hop hop = {.client = "127.0.0.1", .scheme = "http", .port = "8080"};

static void make_request(struct http_head *head, const char *const *fields)
{
	http_head_reset(head);
	http_head_set_request(head, "GET", "/");
	for (; *fields; fields += 2)
		http_head_add(head, fields[0], fields[1]);
}

static void connection_fields_are_dropped_and_forwarding_is_told(void **state)
{
	static const char *const fields[] = {
		"Host",
		"a",
		"Connection",
		"x-a, Host, Content-Length",
		"X-A",
		"1",
		"Content-Length",
		"0",
		"X-B",
		"2",
		"Transfer-Encoding",
		"chunked",
		"Upgrade",
		"websocket",
		"x-forwarded-for",
		"6.6.6.6",
		"Expect",
		"100-continue",
		"X-Forwarded",
		"kept: nobody reads it",
		NULL,
	};
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *connection;

	make_request(&head, fields);
	connection = hop_request(&head, &hop, false);
	assert_null(connection);
	http1_write_head(&out, &head, false, connection);
	assert_string_equal(out.buf,
	                    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-B: 2\r\n"
	                    "Expect: 100-continue\r\nX-Forwarded: kept: nobody reads it\r\n"
	                    "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
	                    "X-Forwarded-Host: a\r\nX-Forwarded-Port: 8080\r\n"
	                    "X-Locald-Hops: 1\r\n\r\n");
}

static void hops_are_counted(void **state)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

	make_request(&head, (const char *const[]){"X-Locald-Hops", "4", NULL});
	assert_int_equal(hop_count(&head), 4);
	hop_request(&head, &hop, false);
	assert_string_equal(http_head_get(&head, "X-Locald-Hops"), "5");
	make_request(&head, (const char *const[]){"X-Locald-Hops", "-1", NULL});
	assert_int_equal(hop_count(&head), HOP_MAX);
	make_request(&head, (const char *const[]){NULL});
	assert_int_equal(hop_count(&head), 0);
}

static void only_a_clean_upgrade_is_one(void **state)
{
	static const char *const good[] = {"Connection", "keep-alive, UPGRADE", "Upgrade", "x",
	                                   NULL};
	static const char *const h2c[] = {"Connection", "upgrade", "Upgrade", "x, h2c", NULL};
	static const char *const alone[] = {"Upgrade", "x", NULL};
	struct http_message message = {.head = HTTP_HEAD_INIT};

	make_request(&message.head, h2c);
	assert_false(hop_wants_upgrade(&message));
	make_request(&message.head, alone);
	assert_false(hop_wants_upgrade(&message));
	make_request(&message.head, good);
	assert_true(hop_wants_upgrade(&message));
	message.body = HTTP_BODY_LENGTH;
	assert_false(hop_wants_upgrade(&message));
	message.body = HTTP_BODY_NONE;
	message.head.version = 10;
	assert_false(hop_wants_upgrade(&message));
	assert_string_equal(hop_request(&message.head, &hop, true), "upgrade");
	assert_string_equal(http_head_get(&message.head, "Upgrade"), "x");
	http_head_release(&message.head);
}

static void an_empty_answer_has_no_length(void **state)
{
	static const int statuses[] = {103, 204, 200, 304};

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

		make_request(&head,
		             (const char *const[]){"Content-Length", "5", "ETag", "x", NULL});
		http_head_set_status(&head, statuses[i]);
		hop_response(&head);
		assert_int_equal(http_head_get(&head, "Content-Length") != NULL, i >= 2);
		assert_non_null(http_head_get(&head, "ETag"));
	}
}

static void trailers_say_nothing_of_framing(void **state)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

	make_request(&head, (const char *const[]){"Content-Length", "5", "Host", "x", "Sum", "1",
	                                          "Transfer-Encoding", "x", NULL});
	hop_trailers(&head);
	assert_int_equal(head.fields.len, 1);
	assert_string_equal(http_head_get(&head, "Sum"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_fields_are_dropped_and_forwarding_is_told),
		cmocka_unit_test(hops_are_counted),
		cmocka_unit_test(only_a_clean_upgrade_is_one),
		cmocka_unit_test(an_empty_answer_has_no_length),
		cmocka_unit_test(trailers_say_nothing_of_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
