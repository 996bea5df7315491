#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/toml.h"
#include "config/toml_json.h"
#include "config/toml_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The rules of TOML are in tests/conformance/toml; here is what C callers see. */

static struct toml_table *parse(const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos;
	struct toml_table *root = toml_parse(text, strlen(text), &pos, &err);

	if (!root)
		fail_msg("%d:%d: %s", pos.line, pos.column, err.text);
	return root;
}

static void assert_pos(struct toml_pos pos, int line, int column, int length)
{
	assert_int_equal(pos.line, line);
	assert_int_equal(pos.column, column);
	assert_int_equal(pos.length, length);
}

static void keys_and_values_know_where_they_are(void **state)
{
	cleanup_toml struct toml_table *root = parse("# first\r\n"
	                                             "  \"\u00e9\" = [1,\n\t'two']\n"
	                                             "[a.b]\n"
	                                             "c.d = { e = true }\n");
	const struct toml_table *a = toml_get_table(root, "a"), *b = toml_get_table(a, "b");
	const struct toml_entry *list = toml_find(root, "\u00e9"), *c = toml_find(b, "c");
	const struct toml_entry *d = toml_find(c->value.table, "d");

	assert_pos(list->pos, 2, 3, 4);
	assert_pos(list->value.pos, 2, 10, 3); /* what of it is on the line */
	assert_pos(list->value.array.items[0].pos, 2, 11, 1);
	assert_pos(list->value.array.items[1].pos, 3, 2, 5);
	assert_pos(toml_find(root, "a")->pos, 4, 2, 1);
	assert_pos(toml_find(a, "b")->pos, 4, 4, 1);
	assert_pos(c->pos, 5, 1, 1);
	assert_pos(d->pos, 5, 3, 1);
	assert_pos(d->value.pos, 5, 7, 12);
	assert_pos(toml_find(d->value.table, "e")->value.pos, 5, 13, 4);
}

static void order_is_that_of_the_file(void **state)
{
	cleanup_toml struct toml_table *root = parse("z = 1\na = 2\n[m]\n[b]\n");
	const char *const keys[] = {"z", "a", "m", "b"};
	size_t i = 0;

	array_foreach(entry, &root->entries)
		assert_string_equal(entry->key, keys[i++]);
	assert_int_equal(i, 4);
}

static void getters_give_the_default_for_other_types(void **state)
{
	cleanup_toml struct toml_table *root =
		parse("s = 'x'\ni = 7\nb = true\nt = {}\na = [1]\nnul = \"a\\u0000b\"");

	assert_string_equal(toml_get_str(root, "s", "d"), "x");
	assert_string_equal(toml_get_str(root, "i", "d"), "d");
	assert_string_equal(toml_get_str(root, "nul", "d"), "d");
	assert_null(toml_get_str(root, "missing", NULL));
	assert_int_equal(toml_get_int(root, "i", -1), 7);
	assert_int_equal(toml_get_int(root, "s", -1), -1);
	assert_true(toml_get_bool(root, "b", false));
	assert_true(toml_get_bool(root, "s", true));
	assert_non_null(toml_get_table(root, "t"));
	assert_null(toml_get_table(root, "a"));
	assert_non_null(toml_get_array(root, "a"));
	assert_null(toml_get_array(root, "t"));
	assert_null(toml_get(NULL, "s"));
	assert_int_equal(toml_get(root, "nul")->string.len, 3);
}

static void needed_strings_say_what_is_wrong(void **state)
{
	cleanup_toml struct toml_table *root = parse("i = 7\nnul = \"\\u0000\"\nl = ['a', 1]\n"
	                                             "ok = ['a', 'b']\ns = 'x'");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv list = STRV_INIT;
	const char *text = NULL;

	assert_int_equal(toml_need_str(root, "s", &text, &err), 0);
	assert_string_equal(text, "x");
	assert_int_equal(toml_need_str(root, "gone", &text, &err), -1);
	assert_string_equal(err.text, "gone is missing");
	assert_int_equal(toml_need_str(root, "i", &text, &err), -1);
	assert_string_equal(err.text, "i: expected a string, got an integer");
	assert_int_equal(toml_need_str(root, "nul", &text, &err), -1);
	assert_string_equal(text, "x");
	assert_int_equal(toml_get_strv(root, "l", &list, &err), -1);
	assert_string_equal(err.text, "l: expected strings, got an integer");
	assert_int_equal(toml_get_strv(root, "i", &list, &err), -1);
	assert_int_equal(list.len, 0);
	assert_int_equal(toml_get_strv(root, "gone", &list, &err), 0);
	assert_int_equal(toml_get_strv(root, "ok", &list, &err), 0);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[1], "b");
}

static void an_unreadable_file_is_named(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_null(toml_parse_file("/nonexistent/x.toml", &err));
	assert_non_null(strstr(err.text, "/nonexistent/x.toml"));
}

static void what_is_written_reads_back(void **state)
{
	static const char *const expected = "name = \"a \\\"b\\\" \\u0001 \u00e9\\n\"\n"
					    "\"odd key\" = -3\n"
					    "\"\" = true\n"
					    "\n[a.\"b.c\"]\n"
					    "list = [\"x\", \"\\\\\"]\n"
					    "\n[[group]]\n"
					    "id = \"one\"\n";
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(strv_release) struct strv list = STRV_INIT;
	cleanup_toml struct toml_table *root = NULL;

	strv_add(&list, "x");
	strv_add(&list, "\\");
	toml_put_str(&out, "name", "a \"b\" \x01 \u00e9\n");
	toml_put_int(&out, "odd key", -3);
	toml_put_bool(&out, "", true);
	toml_put_table(&out, "a", "b.c", NULL);
	toml_put_strv(&out, "list", &list);
	toml_put_table_array(&out, "group", NULL);
	toml_put_str(&out, "id", "one");
	assert_string_equal(out.buf, expected);

	root = parse(out.buf);
	assert_string_equal(toml_get_str(root, "name", NULL), "a \"b\" \x01 \u00e9\n");
	assert_int_equal(toml_get_int(root, "odd key", 0), -3);
	strbuf_reset(&out);
	toml_put_document(&out, root);
	assert_string_equal(out.buf, "name = \"a \\\"b\\\" \\u0001 \u00e9\\n\"\n"
	                             "\"odd key\" = -3\n"
	                             "\"\" = true\n"
	                             "\n[a]\n"
	                             "\n[a.\"b.c\"]\n"
	                             "list = [\"x\", \"\\\\\"]\n"
	                             "\n[[group]]\n"
	                             "id = \"one\"\n");
}

static void trees_can_be_put_below_a_header(void **state)
{
	cleanup_toml struct toml_table *root = parse("x = 1.5\n[y]\nz = 07:00:00.5\n");
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	toml_put_value(&out, "all", toml_get(root, "y"));
	toml_put_tree(&out, root, "meta", "data", NULL);
	assert_string_equal(out.buf, "all = { z = 07:00:00.5 }\n"
	                             "\n[meta.data]\nx = 1.5\n"
	                             "\n[meta.data.y]\nz = 07:00:00.5\n");
}

static void floats_keep_their_value(void **state)
{
	cleanup_toml struct toml_table *root =
		parse("a = 0.1\nb = 1e300\nc = -inf\nd = nan\ne = 3.0");
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_toml struct toml_table *again = NULL;

	toml_put_document(&out, root);
	again = parse(out.buf);
	for (size_t i = 0; i < 3; i++)
		assert_true(again->entries.items[i].value.number ==
		            root->entries.items[i].value.number);
	assert_non_null(strstr(out.buf, "d = nan\ne = 3.0\n"));
}

static void json_has_the_same_tree(void **state)
{
	cleanup_toml struct toml_table *root =
		parse("a = [1, 2.5, 'x', true]\nd = 1979-05-27\nn = nan\n[t.u]\nk = \"\\u0000\"");
	cleanup_json json_t *json = toml_table_to_json(root);
	cleanup_free char *text = json_text(json);

	assert_string_equal(text, "{\"a\":[1,2.5,\"x\",true],\"d\":\"1979-05-27\",\"n\":\"nan\","
	                          "\"t\":{\"u\":{\"k\":\"\\u0000\"}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_know_where_they_are),
		cmocka_unit_test(order_is_that_of_the_file),
		cmocka_unit_test(getters_give_the_default_for_other_types),
		cmocka_unit_test(needed_strings_say_what_is_wrong),
		cmocka_unit_test(an_unreadable_file_is_named),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(trees_can_be_put_below_a_header),
		cmocka_unit_test(floats_keep_their_value),
		cmocka_unit_test(json_has_the_same_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
