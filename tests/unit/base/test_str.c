#include "base/error.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_are_whole_and_bounded(void **state)
{
	static const char *const bad[] = {"",     "-",     "x",  "1x",  " 1",
	                                  "0x10", "70000", "-1", "1e3", "99999999999999999999"};
	cleanup(error_release) struct error err = ERROR_INIT;
	int64_t value = 7;

	assert_int_equal(str_to_int("65535", 1, 65535, &value, &err), 0);
	assert_int_equal(value, 65535);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		value = 7;
		assert_int_equal(str_to_int(bad[i], 0, 65535, &value, &err), -1);
		assert_int_equal(value, 7);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_string_equal(err.text, "expected a number from 0 to 65535, got "
	                              "\"99999999999999999999\"");
}

static void nearest_word_is_found_within_two_edits(void **state)
{
	static const char *const words[] = {"command", "port", "env", "restart"};

	assert_string_equal(str_nearest("comand", words, 4), "command");
	assert_string_equal(str_nearest("prot", words, 4), "port");
	assert_string_equal(str_nearest("restrat", words, 4), "restart");
	assert_null(str_nearest("zzzzzz", words, 4));
	assert_null(str_nearest("x", words, 4)); /* everything is one edit from one letter */
	assert_int_equal(str_distance("ca", "ac"), 1);
	assert_int_equal(str_distance("", "abc"), 3);
}

static void environment_is_replaced_by_name(void **state)
{
	cleanup(strv_release) struct strv env = STRV_INIT;

	strv_env_set(&env, "PATH", "/bin");
	strv_env_set(&env, "PATHS", "x");
	strv_env_set(&env, "PATH", "/usr/bin");
	assert_int_equal(env.len, 2);
	assert_string_equal(strv_env_get(&env, "PATH"), "/usr/bin");
	strv_env_unset(&env, "PATH");
	assert_null(strv_env_get(&env, "PATH"));
	assert_string_equal(env.items[0], "PATHS=x");
	assert_null(env.items[1]);
}

static void copy_says_when_it_cut(void **state)
{
	char buf[4];

	assert_true(str_copy(buf, sizeof(buf), "abc"));
	assert_false(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_and_bounded),
		cmocka_unit_test(nearest_word_is_found_within_two_edits),
		cmocka_unit_test(environment_is_replaced_by_name),
		cmocka_unit_test(copy_says_when_it_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
