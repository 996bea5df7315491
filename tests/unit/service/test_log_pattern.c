#include "service/log_pattern.h"

#include "base/mem.h"
#include "base/str.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_what_is_found(void **state)
{
	static const struct {
		const char *pattern, *literal;
	} cases[] = {
		{"", NULL},
		{"timeout", "timeout"},
		{"timeout|refused", NULL},
		{"^GET /api/.*50[0-9]$", "GET /api/"},
		{"99999[0-9]\\.", "99999"},
		{"ab*", "a"},
		{"abc?def", "def"},
		{"ab+cde", "cde"},
		{"x{2,3}long", "long"},
		{"(error|warn): disk", ": disk"},
		{"a(b\\)c[)]|d)efg", "efg"},
		{"[]a]bc[^]|]d", "bc"},
		{"[[:space:]|]x[[.].]]yz", "yz"},
		{"\\bword\\w", "word"},
		{"1\\.5\\$", "1.5$"},
		{"caf\303\251*s", "caf"},
		{"(only|groups)", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *found = log_pattern_literal(cases[i].pattern);

		if (!str_eq_null(found, cases[i].literal))
			fail_msg("%s: %s", cases[i].pattern, found ? found : "(none)");
	}
}

static void random_text(char *out, size_t max, const char *alphabet)
{
	size_t len = (size_t)rand() % max, count = strlen(alphabet);

	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[(size_t)rand() % count];
	out[len] = '\0';
}

/* Whatever the pattern: what regexec() finds has the literal in it. */
static void test_every_match_has_it(void **state)
{
	int found = 0;

	srand(20261126);
	for (int i = 0; i < 200000; i++) {
		char pattern[12], text[16];
		cleanup_free char *literal = NULL;
		regex_t regex;

		random_text(pattern, sizeof(pattern), "aabbc.*+?|()[]^{},1\\$");
		if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
			continue;
		literal = log_pattern_literal(pattern);
		for (int k = 0; literal && k < 8; k++) {
			random_text(text, sizeof(text), "aabbc.*+1,{}()[]");
			if (regexec(&regex, text, 0, NULL, 0) != 0)
				continue;
			found++;
			if (!strstr(text, literal))
				fail_msg("%s matches %s without %s", pattern, text, literal);
		}
		regfree(&regex);
	}
	assert_true(found > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_found),
		cmocka_unit_test(test_every_match_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
