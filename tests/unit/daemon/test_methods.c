/* The table of methods and its description must not drift apart. */
#include "daemon/methods.c"

#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>

/* "GET /v1/ping" for each operation of the YAML: paths are indented by 2, verbs by 4. */
static void described(const char *text, struct strv *out)
{
	cleanup_free char *copy = xstrdup(text);
	char *save = NULL, path[64] = "";
	bool in_paths = false;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (line[0] != ' ')
			in_paths = str_eq(line, "paths:");
		if (!in_paths || !colon)
			continue;
		if (str_starts(line, "  /")) {
			*colon = '\0';
			str_copy(path, sizeof(path), line + 2);
		} else if (str_eq(line, "    get:") || str_eq(line, "    post:")) {
			strv_addf(out, "%s /v1%s", line[4] == 'g' ? "GET" : "POST", path);
		}
	}
	strv_sort(out);
}

static void every_method_is_described_and_no_other(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strv_release) struct strv wanted = STRV_INIT, had = STRV_INIT;

	assert_int_equal(fs_read_file(OPENAPI_FILE, 1 << 20, &text, &err), 0);
	described(text.buf, &wanted);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		strv_addf(&had, "%s %s", methods[i].verb, methods[i].path);
	strv_sort(&had);
	assert_int_equal(had.len, wanted.len);
	for (size_t i = 0; i < had.len; i++)
		assert_string_equal(had.items[i], wanted.items[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_is_described_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
