#include "net/http_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void fields_are_found_in_any_case(void **state)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;

	http_head_reset(&head);
	http_head_add(&head, "HOST", "a");
	http_head_add(&head, "X-Forwarded-Anything", "b");
	http_head_add(&head, "X-Forwarded-", "c");
	http_head_add(&head, "connection", "Keep-Alive ,, foo");
	http_head_add(&head, "Connection", "Upgrade");
	assert_string_equal(http_head_get(&head, "host"), "a");
	assert_string_equal(http_head_find(&head, HTTP_X_FORWARDED), "b");
	assert_null(http_head_get(&head, "hos"));
	assert_null(http_head_find(&head, HTTP_TE));
	assert_true(http_head_has_token(&head, HTTP_CONNECTION, "keep-alive"));
	assert_true(http_head_has_token(&head, HTTP_CONNECTION, "upgrade"));
	assert_false(http_head_has_token(&head, HTTP_CONNECTION, "keep"));
	assert_false(http_head_has_token(&head, HTTP_CONNECTION, ""));
}

static void known_names_are_known(void **state)
{
	assert_int_equal(http_name_id("Transfer-Encoding", 17), HTTP_TRANSFER_ENCODING);
	assert_int_equal(http_name_id("tE", 2), HTTP_TE);
	assert_int_equal(http_name_id("t", 1), HTTP_OTHER);
	assert_int_equal(http_name_id("", 0), HTTP_OTHER);
	assert_int_equal(http_name_id("Hosts", 5), HTTP_OTHER);
	assert_int_equal(http_name_id("Host", 3), HTTP_OTHER);
}

static void tokens_are_tokens(void **state)
{
	assert_true(http_is_token("X-a_1!", 6));
	assert_false(http_is_token("", 0));
	assert_false(http_is_token("a b", 3));
	assert_false(http_is_token("a\0b", 3));
	assert_false(http_is_token("a:", 2));
	assert_false(http_is_token("\xc3\xa9", 2));
}

static void check_part(char *got, const char *want)
{
	cleanup_free char *text = got;

	if (want)
		assert_string_equal(text, want);
	else
		assert_null(text);
}

static void targets_come_apart(void **state)
{
	check_part(http_target_path("/a%20b+c?x"), "/a b+c");
	check_part(http_target_path("/%2f%2F"), "///");
	check_part(http_target_path("/%"), NULL);
	check_part(http_target_path("/%2"), NULL);
	check_part(http_target_path("/%zz"), NULL);
	check_part(http_target_path("/%00"), NULL);
	check_part(http_target_path("/?%00"), "/");
	check_part(http_target_query("/?a=1&ab=x+y%21&c&d=", "ab"), "x y!");
	check_part(http_target_query("/?a=1&ab=2", "a"), "1");
	check_part(http_target_query("/?ab=2", "a"), NULL);
	check_part(http_target_query("/?c&d=", "c"), "");
	check_part(http_target_query("/?c&d=", "d"), "");
	check_part(http_target_query("/?d=%4", "d"), NULL);
	check_part(http_target_query("/d=1", "d"), NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_found_in_any_case),
		cmocka_unit_test(known_names_are_known),
		cmocka_unit_test(tokens_are_tokens),
		cmocka_unit_test(targets_come_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
