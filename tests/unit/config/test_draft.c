#include "config/draft.h"

#include "folder.h"

#include "base/str.h"
#include "base/strbuf.h"

static const struct diag_source source = {"compose.yaml", "a: 1\nb: 2\n", 10};

static struct draft_origin at_line(int line)
{
	return (struct draft_origin){&source, {line, 1, 1}};
}

static void names_are_made_ones_that_can_be(void **state)
{
	static const struct {
		const char *wanted, *name;
	} cases[] = {
		{"web", "web"},         {"My.App", "my-app"}, {"my-app", "my-app-2"},
		{"my_app", "my-app-3"}, {"...", "service"},   {"-x", "x"},
		{"\xff", "service-2"},
	};
	cleanup(draft_release) struct draft draft = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct draft_section *section =
			draft_add_service(&draft, cases[i].wanted, at_line(1));

		assert_string_equal(section->name, cases[i].name);
		assert_ptr_equal(draft_find_service(&draft, cases[i].wanted), section);
	}
}

static void lines_have_notes_and_scripts_stay_readable(void **state)
{
	cleanup(draft_release) struct draft draft = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct draft_section *web = draft_add_service(&draft, "web", at_line(1));

	draft_put_str(web, at_line(2), NULL, "command", "one\ntwo\n");
	draft_put_str(web, at_line(2), "env", "A.B", "x\"y");
	draft_leave_out(&draft, web, at_line(2), "a thing\nof two lines");
	draft_render(&draft, &text);
	assert_non_null(strstr(text.buf, "\n[services.web]  # compose.yaml:1\n"
	                                 "command = '''\none\ntwo\n'''  # compose.yaml:2\n"
	                                 "env.\"A.B\" = \"x\\\"y\"  # compose.yaml:2\n"
	                                 "# left out: a thing of two lines  (compose.yaml:2)\n"));
	assert_string_equal(draft.diags.items.items[0].id, "W003");
	assert_int_equal(draft.diags.items.items[0].places.items[0].pos.line, 2);
}

static void what_a_load_would_refuse_becomes_a_comment(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics refused = DIAGNOSTICS_INIT;
	cleanup(draft_release) struct draft draft = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct draft_section *web = draft_add_service(&draft, "web", at_line(1));
	struct draft_section *empty = draft_add_service(&draft, "empty", at_line(2));

	draft_put_str(web, at_line(1), NULL, "command", "one\ntwo\n");
	draft_put_str(web, at_line(1), "depends_on", "empty", "ready");
	draft_put_int(web, at_line(2), "port", 99999);
	draft_put_bool(empty, at_line(2), "oneshot", true);
	assert_int_equal(draft_settle(&draft, folder.path, NULL, &refused, &err), 0);
	draft_render(&draft, &text);
	/* Without a command it is no service, and nothing can depend on it. */
	assert_non_null(strstr(text.buf, "\n# left out: services.empty: no command\n"
	                                 "# [services.empty]  # compose.yaml:2\n"
	                                 "# oneshot = true  # compose.yaml:2\n"));
	assert_non_null(strstr(text.buf, "\n# depends_on.empty = \"ready\"  # compose.yaml:1\n"));
	assert_non_null(strstr(text.buf, "\n# port = 99999  # compose.yaml:2\n"));
	assert_int_equal(draft.diags.items.len, 3);
	assert_int_equal(draft_count(&draft), 1);
}

static void what_is_wrong_elsewhere_is_an_error(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics refused = DIAGNOSTICS_INIT;
	cleanup(draft_release) struct draft draft = {0};

	folder_write(&folder, "locald.local.toml", "[services.web]\nprot = 1\n");
	draft_put_str(draft_add_service(&draft, "web", at_line(1)), at_line(1), NULL, "command",
	              "x");
	assert_int_equal(draft_settle(&draft, folder.path, NULL, &refused, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(refused.items.items[0].places.items[0].file, "locald.local.toml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_made_ones_that_can_be),
		cmocka_unit_test(lines_have_notes_and_scripts_stay_readable),
		cmocka_unit_test(what_a_load_would_refuse_becomes_a_comment),
		cmocka_unit_test(what_is_wrong_elsewhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
