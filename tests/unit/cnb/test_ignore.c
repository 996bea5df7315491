#include "cnb/ignore.h"
#include "unit/lifecycle/folder.h"

static void patterns_match_as_in_gitignore(void **state)
{
	static const struct {
		const char *patterns[4];
		unsigned flags;
		const char *path;
		bool is_dir, want;
	} cases[] = {
		{{"*.log"}, 0, "a.log", false, true},
		{{"*.log"}, 0, "deep/down/a.log", false, true},
		{{"*.log"}, 0, "a.logs", false, false},
		{{"/a.log"}, 0, "a.log", false, true},
		{{"/a.log"}, 0, "deep/a.log", false, false},
		{{"build/"}, 0, "build", true, true},
		{{"build/"}, 0, "build", false, false},
		{{"build/"}, 0, "deep/build", true, true},
		{{"doc/*.txt"}, 0, "doc/a.txt", false, true},
		{{"doc/*.txt"}, 0, "doc/sub/a.txt", false, false},
		{{"doc/**/a.txt"}, 0, "doc/x/y/a.txt", false, true},
		{{"doc/**/a.txt"}, 0, "doc/a.txt", false, true},
		{{"**/a.txt"}, 0, "x/a.txt", false, true},
		{{"doc/**"}, 0, "doc/x", false, true},
		{{"doc/**"}, 0, "doc", true, false},
		{{"*.log", "!keep.log"}, 0, "keep.log", false, false},
		{{"!keep.log", "*.log"}, 0, "keep.log", false, true},
		{{"# comment", "", "  "}, 0, "# comment", false, false},
		{{"trailing  "}, 0, "trailing", false, true},
		{{"[ab].c"}, 0, "b.c", false, true},
		{{"a?c"}, 0, "a/c", false, false},
		/* .dockerignore is rooted. */
		{{"a.log"}, IGNORE_ROOTED, "deep/a.log", false, false},
		{{"./a.log"}, IGNORE_ROOTED, "a.log", false, true},
		{{"**/a.log"}, IGNORE_ROOTED, "deep/a.log", false, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(ignore_release) struct ignore ignore = {0};

		for (size_t j = 0; j < 4 && cases[i].patterns[j]; j++)
			ignore_add(&ignore, cases[i].patterns[j], cases[i].flags);
		if (ignore_matches(&ignore, cases[i].path, cases[i].is_dir) != cases[i].want)
			fail_msg("%s against %s", cases[i].patterns[0], cases[i].path);
	}
}

static void a_file_is_read_line_by_line(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(ignore_release) struct ignore ignore = {0};
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	folder_write(folder, "rules", "one\r\n\n# no\n!two");
	assert_ok(ignore_add_file(&ignore, dir, "rules", 0, &err));
	assert_int_equal(ignore.rules.len, 2);
	assert_true(ignore_matches(&ignore, "one", false));
	assert_ok(ignore_add_file(&ignore, dir, "missing", 0, &err));
	assert_int_equal(ignore.rules.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_in_gitignore),
		cmocka_unit_test_setup_teardown(a_file_is_read_line_by_line, folder_make,
	                                        folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
