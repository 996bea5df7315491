#include "base/error.h"
#include "base/glob.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void paths_match_or_do_not(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool expected;
	} cases[] = {
		{"src/**", "src/a.c", true},
		{"src/**", "src/deep/er/a.c", true},
		{"src/**", "srcs/a.c", false},
		{"src", "src/deep/a.c", true}, /* a folder is all that is in it */
		{"./src/", "src/a", true},
		{"*.py", "a.py", true},
		{"*.py", "lib/a.py", false},
		{"**/*.py", "a.py", true},
		{"**/*.py", "x/y/a.py", true},
		{"**/*.py", "x/y/a.pyc", false},
		{"a/**/b/**/c", "a/x/b/b/y/c", true},
		{"a/**/b/**/c", "a/x/y/c", false},
		{"a/**/b", "a/b", true},
		{"**", "anything/at/all", true},
		{"/w/s/*.c", "/w/s/a.c", true},
		{"/w/s/*.c", "/w/t/a.c", false},
		{"a?c", "abc", true},
		{"a?c", "a/c", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[]]x", "]x", true},
		{"[abc", "[abc", true},
		{"\\*x", "*x", true},
		{"\\*x", "ax", false},
		{"*a*b*c", "xxaxxbxxc", true},
		{"*a*b*c", "xxaxxbxx", false},
		{"*", "", false},
		{"x\\", "x\\", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (glob_matches(cases[i].pattern, cases[i].path) != cases[i].expected)
			fail_msg("%s and %s", cases[i].pattern, cases[i].path);
}

static void folders_lead_to_what_may_match(void **state)
{
	assert_true(glob_leads_to("/p/src/**/*.c", "/p"));
	assert_true(glob_leads_to("/p/src/**/*.c", "/p/src/x/y"));
	assert_false(glob_leads_to("/p/src/**/*.c", "/p/doc"));
	assert_true(glob_leads_to("/p/*.c", "/p"));
	assert_false(glob_leads_to("/p/*.c", "/p/lib"));
	assert_true(glob_leads_to("/p/lib", "/p/lib/deep"));
	assert_true(glob_leads_to("/p/*/x.c", "/p/any"));
}

/* A pattern with many stars would take for ever if each were tried again. */
static void many_stars_take_no_time(void **state)
{
	char pattern[2 * 200 + 2], path[2 * 2000 + 1];
	size_t i;

	for (i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	memcpy(pattern + 2 * i, "b", 2);
	for (i = 0; i < 2000; i++)
		memcpy(path + 2 * i, "aa", 2);
	path[2 * i] = '\0';
	assert_false(glob_matches(pattern, path));
	for (i = 0; i + 3 < sizeof(pattern); i += 3)
		memcpy(pattern + i, "**/", 3);
	memcpy(pattern + i - 1, "b", 2);
	for (i = 0; i < 2000; i++)
		memcpy(path + 2 * i, "a/", 2);
	assert_false(glob_matches(pattern, path));
}

static void expect_folder(const char *pattern, const char *expected)
{
	cleanup_free char *folder = glob_literal_folder(pattern);

	assert_string_equal(folder, expected);
}

static void the_literal_folder_is_where_to_begin(void **state)
{
	expect_folder("/p/src/**/*.c", "/p/src");
	expect_folder("/p/src/main.c", "/p/src");
	expect_folder("/*.c", "/");
	expect_folder("*.c", ".");
	expect_folder("a/b[12]/c", "a");
}

static void expect_expansion(const char *pattern, const char *expected)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv out = STRV_INIT;
	char joined[256] = "";

	if (glob_expand(pattern, 16, &out, &err) < 0) {
		assert_string_equal(err.text, expected);
		return;
	}
	for (size_t i = 0; i < out.len; i++) {
		size_t len = strlen(joined);

		snprintf(joined + len, sizeof(joined) - len, "%s%s", i > 0 ? " " : "",
		         out.items[i]);
	}
	assert_string_equal(joined, expected);
}

static void braces_are_several_patterns(void **state)
{
	expect_expansion("src/**", "src/**");
	expect_expansion("**/*.{js,ts}", "**/*.js **/*.ts");
	expect_expansion("{a,b{1,2}}/{x,y}", "a/x a/y b1/x b1/y b2/x b2/y");
	expect_expansion("a{,b}", "a ab");
	expect_expansion("a\\{b", "a\\{b");
	expect_expansion("a{b", "`{` without `}`");
	expect_expansion("{1,2,3,4,5}{1,2,3,4,5}", "more than 16 patterns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_match_or_do_not),
		cmocka_unit_test(folders_lead_to_what_may_match),
		cmocka_unit_test(many_stars_take_no_time),
		cmocka_unit_test(the_literal_folder_is_where_to_begin),
		cmocka_unit_test(braces_are_several_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
