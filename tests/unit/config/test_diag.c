#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char text[] = "[services.api]\n\tcomand = \"\u00e9\" # x\033[0m\r\nlast";
static const struct diag_source source = {"locald.toml", text, sizeof(text) - 1};

static void one_place_is_shown_with_its_line(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct diagnostic *diag = diag_add(&diags, "C012", "unknown key `%s`", "comand");

	diag_at(diag, &source, (struct toml_pos){2, 2, 6}, NULL);
	diag_help(diag, "did you mean `%s`?", "command");
	diag_render(diag, false, &out);
	assert_string_equal(out.buf, "error[C012]: unknown key `comand`\n"
	                             "  --> locald.toml:2:2\n"
	                             "  |\n"
	                             "2 | \tcomand = \"\u00e9\" # x?[0m\n"
	                             "  | \t^^^^^^ help: did you mean `command`?\n");
}

static void carets_count_characters(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct diagnostic *diag = diag_add(&diags, "C010", "x");

	diag_at(diag, &source, (struct toml_pos){2, 11, 4}, NULL); /* the string: 4 bytes, 3 wide */
	diag_render(diag, false, &out);
	assert_non_null(strstr(out.buf, "  | \t         ^^^\n"));

	strbuf_reset(&out);
	diag->places.items[0].pos = (struct toml_pos){2, 900, 900}; /* beyond the line */
	diag_render(diag, false, &out);
	assert_true(str_ends(out.buf, " ^\n"));
}

static void several_places_are_a_list(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct diagnostic *diag = diag_add(&diags, "C031", "dependency cycle: a → b → a");

	diag_at(diag, &source, (struct toml_pos){1, 2, 3}, "a.depends_on");
	diag_at(diag, &source, (struct toml_pos){3, 1, 4}, "b.depends_on");
	diag_help(diag, "remove one");
	diag_render(diag, false, &out);
	assert_string_equal(out.buf,
	                    "error[C031]: dependency cycle: a → b → a\n"
	                    "  --> locald.toml:1:2  a.depends_on · locald.toml:3:1  b.depends_on\n"
	                    "   = help: remove one\n");
}

static void a_file_as_a_whole_has_no_line(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	diag_at(diag_add(&diags, "W001", "ignored"), &source, (struct toml_pos){0}, NULL);
	diag_render_all(&diags, false, &out);
	assert_string_equal(out.buf, "warning[W001]: ignored\n  --> locald.toml\n");
	assert_int_equal(diag_error_count(&diags), 0);
}

static void colour_is_only_paint(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	diag_at(diag_add(&diags, "C010", "x"), &source, (struct toml_pos){3, 1, 4}, NULL);
	diag_render(diags.items.items, true, &out);
	assert_non_null(strstr(out.buf, "\033[1;31merror[C010]\033[0m: x\n"));
	assert_non_null(strstr(out.buf, "\033[1;31m^^^^\033[0m\n"));
}

static void errors_become_one_line(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct diagnostic *diag;

	diag_at(diag_add(&diags, "W001", "ignored"), &source, (struct toml_pos){0}, NULL);
	diag = diag_add(&diags, "C012", "unknown key `x`");
	diag_at(diag, &source, (struct toml_pos){3, 1, 1}, NULL);
	diag_help(diag, "remove it");
	assert_int_equal(diag_to_error(&diags, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.text, "locald.toml:3:1: unknown key `x`");
	assert_string_equal(err.hint, "remove it");
	diag_add(&diags, "C010", "y");
	diag_to_error(&diags, &err);
	assert_string_equal(err.text, "locald.toml:3:1: unknown key `x` (and 1 more)");
}

static void json_brings_all_of_it_across(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(diagnostics_release) struct diagnostics back = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct diagnostic *diag = diag_add(&diags, "C012", "unknown key");
	cleanup_json json_t *json = NULL;

	diag_at(diag, &source, (struct toml_pos){2, 2, 6}, NULL);
	diag_help(diag, "no");
	diag = diag_add(&diags, "C031", "cycle");
	diag_at(diag, &source, (struct toml_pos){1, 1, 1}, "a");
	diag_at(diag, &source, (struct toml_pos){3, 1, 1}, "b");
	json = diag_to_json(&diags);
	assert_int_equal(diag_from_json(json, &back, &err), 0);
	diag_render_all(&diags, false, &a);
	diag_render_all(&back, false, &b);
	assert_string_equal(a.buf, b.buf);
}

static void bad_json_is_refused(void **state)
{
	static const char *const bad[] = {"{}", "[1]", "[{\"id\":\"C001\"}]",
	                                  "[{\"id\":\"C001\",\"text\":\"x\",\"places\":[{}]}]"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup_json json_t *json = json_parse(bad[i], strlen(bad[i]), &err);

		assert_int_equal(diag_from_json(json, &diags, &err), -1);
	}
}

static void findings_are_bounded(void **state)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;

	for (int i = 0; i < DIAG_MAX + 7; i++)
		diag_at(diag_add(&diags, "C010", "%d", i), &source, (struct toml_pos){1, 1, 1},
		        NULL);
	assert_int_equal(diags.items.len, DIAG_MAX);
	assert_int_equal(diags.dropped, 7);
	assert_int_equal(diag_error_count(&diags), DIAG_MAX + 7);
}

static void every_id_has_one_title(void **state)
{
	const char *id;

	for (size_t i = 0; (id = diag_id_at(i)); i++) {
		assert_int_equal(strlen(id), 4);
		assert_non_null(diag_title(id));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(id, diag_id_at(j));
	}
	assert_null(diag_title("C999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_place_is_shown_with_its_line),
		cmocka_unit_test(carets_count_characters),
		cmocka_unit_test(several_places_are_a_list),
		cmocka_unit_test(a_file_as_a_whole_has_no_line),
		cmocka_unit_test(colour_is_only_paint),
		cmocka_unit_test(errors_become_one_line),
		cmocka_unit_test(json_brings_all_of_it_across),
		cmocka_unit_test(bad_json_is_refused),
		cmocka_unit_test(findings_are_bounded),
		cmocka_unit_test(every_id_has_one_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
