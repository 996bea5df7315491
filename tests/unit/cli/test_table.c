#include "cli/table.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct table_column columns[] = {
	{.title = "NAME"},
	{.title = "MODE", .drop = 1},
	{.title = "WHY", .flex = true},
	{.title = "URL", .drop = 0},
};

static void fill(struct table *table)
{
	static const char *const cells[] = {
		"web", "", "ok", "http://web.shop.localhost", "api", "host", "waits for its friend",
		"",
	};

	*table = (struct table){columns, ARRAY_LEN(columns), {0}};
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		table_add_copy(table, cells[i]);
}

static void assert_table(int width, const char *expected)
{
	cleanup(table_release) struct table table;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style style = {.unicode = true, .width = width};

	fill(&table);
	table_render(&table, &style, "  ", &out);
	assert_string_equal(out.buf, expected);
}

static void test_wide(void **state unused_arg)
{
	const char *expected = "  NAME  MODE  WHY                   URL\n"
			       "  web         ok                    http://web.shop.localhost\n"
			       "  api   host  waits for its friend\n";

	assert_table(0, expected);
	assert_table(80, expected);
	assert_table(61, expected);
}

static void test_drops(void **state unused_arg)
{
	assert_table(60, "  NAME  WHY                   URL\n"
	                 "  web   ok                    http://web.shop.localhost\n"
	                 "  api   waits for its friend\n");
}

static void test_cuts(void **state unused_arg)
{
	assert_table(46, "  NAME  WHY          URL\n"
	                 "  web   ok           http://web.shop.localhost\n"
	                 "  api   waits for …\n");
	/* A URL is never cut: it must be good for copying. */
	assert_table(20, "  NAME  WHY       URL\n"
	                 "  web   ok        http://web.shop.localhost\n"
	                 "  api   waits f…\n");
}

static void test_empty_column(void **state unused_arg)
{
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	table_add_copy(&table, "web");
	table_add_copy(&table, NULL);
	table_add_copy(&table, "\033[32mok\033[0m");
	table_add_copy(&table, "");
	table_render(&table, &(struct style){.unicode = true}, "", &out);
	assert_string_equal(out.buf, "NAME  WHY\nweb   \033[32mok\033[0m\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_empty_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
