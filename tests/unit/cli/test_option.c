#include "cli/option.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct values {
	bool follow, raw;
	int lines, verbose;
	int64_t timeout_ms;
	const char *name, *when;
	struct option_list host;
};

static const char *const choices[] = {"auto", "always", NULL};

static const struct option table[] = {
	OPT_FLAG('f', "follow", struct values, follow, ""),
	OPT_LIST(0, "host", struct values, host, "SERVICE", "", COMPLETE_SERVICES),
	OPT_INT('n', "lines", struct values, lines, "N", ""),
	OPT_STRING(0, "name", struct values, name, "NAME", "", COMPLETE_NOTHING),
	OPT_FLAG('r', "raw", struct values, raw, ""),
	OPT_TIME(0, "timeout", struct values, timeout_ms, "TIME", ""),
	OPT_END,
};

static const struct option global[] = {
	OPT_COUNT('v', "verbose", struct values, verbose, ""),
	OPT_CHOICE(0, "color", struct values, when, "WHEN", "", choices),
	OPT_END,
};

static struct values values;
static struct error err;
static struct option_args args;

static int set_up(void **state unused_arg)
{
	values = (struct values){0};
	return 0;
}

static int tear_down(void **state unused_arg)
{
	option_list_release(&values.host);
	array_release(&args.items);
	error_release(&err);
	return 0;
}

static int parse(size_t stop, ...)
{
	const struct option_target targets[] = {{table, &values}, {global, &values}};
	char *argv[16];
	int argc = 0;
	va_list list;

	va_start(list, stop);
	while ((argv[argc] = va_arg(list, char *)))
		argc++;
	va_end(list);
	return option_parse(argc, argv, targets, ARRAY_LEN(targets), stop, &args, &err);
}

static void test_forms(void **state unused_arg)
{
	assert_int_equal(parse(0, "web", "-fn5", "--name=a=b", "api", "-vvr", "--verbose", NULL),
	                 0);
	assert_true(values.follow && values.raw);
	assert_int_equal(values.lines, 5);
	assert_int_equal(values.verbose, 3);
	assert_string_equal(values.name, "a=b");
	assert_int_equal(args.items.len, 2);
	assert_string_equal(args.items.items[1], "api");
}

static void test_values_apart(void **state unused_arg)
{
	assert_int_equal(parse(0, "-n", "7", "--name", "--raw", "-", "--color", "always", NULL), 0);
	assert_int_equal(values.lines, 7);
	assert_string_equal(values.name, "--raw");
	assert_string_equal(values.when, "always");
	assert_false(values.raw);
	assert_int_equal(args.items.len, 1);
	assert_string_equal(args.items.items[0], "-");
}

static void test_end_of_options(void **state unused_arg)
{
	assert_int_equal(parse(0, "--", "--raw", "--", NULL), 0);
	assert_false(values.raw);
	assert_int_equal(args.items.len, 2);
}

static void test_stop_at_argument(void **state unused_arg)
{
	assert_int_equal(parse(1, "-v", "logs", "-f", "--nonsense", NULL), 0);
	assert_int_equal(values.verbose, 1);
	assert_false(values.follow);
	assert_int_equal(args.items.len, 3);
}

static void test_another_command_line(void **state unused_arg)
{
	assert_int_equal(parse(2, "web", "-f", "psql", "-v", "--", NULL), 0);
	assert_true(values.follow);
	assert_int_equal(values.verbose, 0);
	assert_int_equal(args.items.len, 4);
	array_release(&args.items);
	/* The first "--" is ours, every other one the command's. */
	assert_int_equal(parse(2, "web", "--", "--raw", "--", "-n", NULL), 0);
	assert_false(values.raw);
	assert_int_equal(args.items.len, 4);
}

static void test_times(void **state unused_arg)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {{"10", 10000}, {"1.5", 1500}, {"500ms", 500}, {"2m", 120000}, {"0", 0}};
	static const char *const bad[] = {"", "soon", "-1", "1.2.3", "5y", ".", "99999999999999h"};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		assert_int_equal(parse(0, "--timeout", times[i].text, NULL), 0);
		assert_int_equal(values.timeout_ms, times[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(0, "--timeout", bad[i], NULL), -1);
}

static void test_lists(void **state unused_arg)
{
	assert_int_equal(parse(0, "--host", "a,b", "--host=c", NULL), 0);
	assert_int_equal(values.host.names.len, 3);
	assert_string_equal(values.host.names.items[1], "b");
	assert_string_equal(values.host.names.items[2], "c");
}

static void assert_refused(const char *text, const char *hint)
{
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.text, text);
	if (hint)
		assert_string_equal(err.hint, hint);
	else
		assert_null(err.hint);
}

static void test_unknown(void **state unused_arg)
{
	assert_int_equal(parse(0, "--folow", NULL), -1);
	assert_refused("unknown option `--folow`", "did you mean `--follow`?");
	assert_int_equal(parse(0, "--xyzzy=3", NULL), -1);
	assert_refused("unknown option `--xyzzy`", NULL);
	assert_int_equal(parse(0, "-fx", NULL), -1);
	assert_refused("unknown option `-x`", NULL);
	/* A shortened name would change its meaning with the next release. */
	assert_int_equal(parse(0, "--fol", NULL), -1);
}

static void test_bad_values(void **state unused_arg)
{
	assert_int_equal(parse(0, "-n", "5x", NULL), -1);
	assert_non_null(strstr(err.text, "--lines: "));
	assert_int_equal(parse(0, "-n", "-1", NULL), -1);
	assert_int_equal(parse(0, "-n99999999999", NULL), -1);
	assert_int_equal(parse(0, "--lines", NULL), -1);
	assert_refused("`--lines` needs a value: --lines N", NULL);
	assert_int_equal(parse(0, "--raw=1", NULL), -1);
	assert_refused("`--raw` takes no value", NULL);
	assert_int_equal(parse(0, "--color", "sometimes", NULL), -1);
	assert_refused("`--color` is one of auto, always, not `sometimes`", NULL);
	assert_int_equal(parse(0, "--host", "a,,b", NULL), -1);
	assert_int_equal(parse(0, "--host=", NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_values_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end_of_options, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop_at_argument, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_command_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_values, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
