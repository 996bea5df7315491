#include "shim/command.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct command one = {"one", "ID", "", 1, 1, NULL};
static const struct command many = {"many", "ID COMMAND...", "", 1, 100, NULL};

static int parse(const struct command *self, const struct option_row *rows, size_t count,
                 char **argv, struct error *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return options_parse(self, rows, count, argc, argv, err);
}

static char arg_all[] = "--all", arg_id[] = "id", arg_bundle[] = "--bundle", arg_dir[] = "dir",
	    arg_bundle_is[] = "--bundle=x=y", arg_b[] = "-b", arg_dash[] = "--", arg_n[] = "--n=5",
	    arg_bad[] = "--n=5x", arg_unknown[] = "--unknown", arg_refused[] = "--refused",
	    arg_al[] = "--al", arg_empty[] = "";

static void options_and_arguments(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	bool all = false;
	const char *bundle = NULL;
	int64_t n = 0;
	const struct option_row rows[] = {
		{"all", 'a', OPTION_FLAG, &all, ""},
		{"bundle", 'b', OPTION_TEXT, &bundle, ""},
		{"n", 0, OPTION_NUMBER, &n, ""},
	};
	char *after[] = {arg_id, arg_all, arg_bundle, arg_dir, NULL};
	char *equals[] = {arg_bundle_is, arg_n, arg_id, NULL};
	char *letter[] = {arg_b, arg_dir, arg_dash, arg_all, NULL};
	char *command[] = {arg_id, arg_all, arg_unknown, NULL};

	assert_int_equal(parse(&one, rows, 3, after, &err), 1);
	assert_true(all);
	assert_string_equal(bundle, "dir");
	assert_string_equal(after[0], "id");
	assert_int_equal(parse(&one, rows, 3, equals, &err), 1);
	assert_string_equal(bundle, "x=y");
	assert_int_equal(n, 5);
	assert_int_equal(parse(&one, rows, 3, letter, &err), 1);
	assert_string_equal(letter[0], "--all");
	/* What follows the id is somebody else's command line. */
	assert_int_equal(parse(&many, rows, 3, command, &err), 3);
	assert_string_equal(command[1], "--all");
}

static void bad_options(void **unused)
{
	int64_t n = 0;
	bool all = false;
	const struct option_row rows[] = {
		{"n", 0, OPTION_NUMBER, &n, ""},
		{"refused", 0, OPTION_REFUSED, NULL, "why"},
		{"all", 'a', OPTION_FLAG, &all, ""},
	};
	char *const cases[][3] = {{arg_bad, arg_id, NULL},     {arg_unknown, arg_id, NULL},
	                          {arg_refused, arg_id, NULL}, {arg_id, arg_id, NULL},
	                          {arg_al, arg_id, NULL},      {NULL}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		char *argv[3] = {cases[i][0], cases[i][1], cases[i][2]};

		assert_int_equal(parse(&one, rows, ARRAY_LEN(rows), argv, &err), -1);
		assert_non_null(err.text);
		if (cases[i][0] == arg_refused)
			assert_string_equal(err.hint, "why");
	}
}

static void a_value_that_is_missing(void **unused)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *bundle = NULL;
	const struct option_row rows[] = {{"bundle", 'b', OPTION_TEXT, &bundle, ""}};
	char *missing[] = {arg_id, arg_bundle, NULL};
	char *empty[] = {arg_bundle, arg_empty, arg_id, NULL};

	assert_int_equal(parse(&one, rows, 1, missing, &err), -1);
	assert_non_null(strstr(err.text, "--bundle needs a value"));
	assert_int_equal(parse(&one, rows, 1, empty, &err), 1);
	assert_string_equal(bundle, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_arguments),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(a_value_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
