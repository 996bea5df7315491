#include "base/error.h"
#include "base/str.h"
#include "config/procfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void lines_are_processes(void **state)
{
	static const char text[] = "# c\n\nweb: node server.js --url http://x:1  \r\n"
				   "  my_worker-2:\tpython3 w.py # kept\n";
	cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos;
	const struct procfile_entry *entry;

	assert_int_equal(procfile_parse(text, strlen(text), &procfile, &pos, &err), 0);
	assert_int_equal(procfile.entries.len, 2);
	assert_string_equal(procfile_find(&procfile, "web")->command,
	                    "node server.js --url http://x:1");
	entry = procfile_find(&procfile, "my_worker-2");
	assert_string_equal(entry->command, "python3 w.py # kept");
	assert_int_equal(entry->name_pos.line, 4);
	assert_int_equal(entry->name_pos.column, 3);
	assert_int_equal(entry->command_pos.column, 16);
	assert_null(procfile_find(&procfile, "gone"));
}

static void wrong_lines_have_places(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int line, column;
		const char *message;
	} cases[] = {
		{"web node", 8, 1, 1, "expected `name: command`"},
		{"a: b\n : x", 9, 2, 2, "expected `name: command`"},
		{"-a: b", 5, 1, 1, "expected `name: command`"},
		{"a:  ", 4, 1, 1, "a: the command is missing"},
		{"a: b\n\na: c", 10, 3, 1, "a is already defined at line 1"},
		{"a: b\0c", 6, 1, 1, "a NUL character"},
		{"a: \xff", 4, 1, 1, "invalid UTF-8"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;
		struct toml_pos pos = {0};

		assert_int_equal(procfile_parse(cases[i].text, cases[i].len, &procfile, &pos, &err),
		                 -1);
		assert_string_equal(err.text, cases[i].message);
		assert_int_equal(pos.line, cases[i].line);
		assert_int_equal(pos.column, cases[i].column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_processes),
		cmocka_unit_test(wrong_lines_have_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
