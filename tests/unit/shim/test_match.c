#include "../../../src/shim/match.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool is_match;
	} cases[] = {
		{"web", "my-web-1", true},
		{"^web", "my-web-1", false},
		{"web$", "my-web", true},
		{"web$", "my-web-1", false},
		{"test-*", "testing", true},
		{"^t+est", "ttest", true},
		{"^t+est", "est", false},
		{"^colou?r$", "color", true},
		{"^colou?r$", "colouur", false},
		{"^a.c$", "abc", true},
		{"^a.c$", "ac", false},
		{"^[a-c]+$", "abcab", true},
		{"^[a-c]+$", "abd", false},
		{"^[^0-9]*$", "abd", true},
		{"^[^0-9]*$", "ab1", false},
		{"^[]x]$", "]", true},
		{"^a*a$", "aaa", true},
		{".", "x", true},
		{".", "", false},
		{"", "", true},
		{"a$b", "a$b", true},
		{"^[a-]$", "-", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(check(cases[i].pattern, &err), 0);
		if (matches(cases[i].pattern, cases[i].text) != cases[i].is_match)
			fail_msg("`%s` on `%s`", cases[i].pattern, cases[i].text);
	}
}

static void test_refuses(void **state)
{
	static const char *const patterns[] = {"(a)", "a|b", "a{2}", "[a", "[", "[^",
	                                       "*",   "a**", "a\\",  "+a", "a]"};

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		if (check(patterns[i], &err) == 0)
			fail_msg("`%s` was taken", patterns[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
