#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/yaml_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct yaml_document *parse(const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos;
	struct yaml_document *document = yaml_parse(text, strlen(text), &pos, &err);

	if (!document)
		fail_msg("%d:%d: %s", pos.line, pos.column, err.text);
	return document;
}

static void values_have_types_and_places(void **state)
{
	static const char text[] = "# c\r\n"
				   "name: shop\n"
				   "größe: [1.10, \"a: b\", ~, yes]\n"
				   "deep:\n"
				   "  - x: |\n"
				   "      two\n"
				   "      lines\n"
				   "    empty:\n";
	cleanup_yaml struct yaml_document *document = parse(text);
	const struct yaml_value *root = yaml_root(document);
	const struct yaml_value *list = yaml_get(root, "größe"), *map;
	int64_t number;
	bool is_on;

	assert_string_equal(yaml_text(yaml_get(root, "name")), "shop");
	assert_int_equal(yaml_find(root, "name")->pos.line, 2);
	assert_int_equal(list->type, YAML_LIST);
	/* In bytes: the name has two letters of two bytes. */
	assert_int_equal(list->list.items[0]->pos.column, 11);
	assert_string_equal(list->list.items[0]->text, "1.10");
	assert_true(list->list.items[0]->is_plain);
	assert_string_equal(list->list.items[1]->text, "a: b");
	assert_false(list->list.items[1]->is_plain);
	assert_int_equal(list->list.items[2]->type, YAML_NULL);
	assert_true(yaml_to_bool(list->list.items[3], &is_on) && is_on);
	assert_false(yaml_to_int(list->list.items[0], 0, 9, &number));
	map = yaml_get(root, "deep")->list.items[0];
	assert_string_equal(yaml_text(yaml_get(map, "x")), "two\nlines\n");
	assert_int_equal(yaml_get(map, "empty")->type, YAML_NULL);
	assert_int_equal(yaml_get(map, "empty")->pos.line, 8);
	assert_null(yaml_get(map, "gone"));
	assert_null(yaml_get(list, "gone"));
	assert_null(yaml_text(NULL));
}

static void what_is_merged_gives_way(void **state)
{
	static const char text[] = "base: &base {a: 1, b: 1}\n"
				   "other: &other {b: 2, c: 2}\n"
				   "one: {<<: *base, a: 3}\n"
				   "two: {b: 4, <<: [*base, *other]}\n"
				   "again: &base {z: 1}\n"
				   "last: *base\n";
	cleanup_yaml struct yaml_document *document = parse(text);
	const struct yaml_value *root = yaml_root(document);
	const struct yaml_value *one = yaml_get(root, "one"), *two = yaml_get(root, "two");

	assert_string_equal(yaml_text(yaml_get(one, "a")), "3");
	assert_string_equal(yaml_text(yaml_get(one, "b")), "1");
	assert_true(yaml_find(one, "b")->is_merged);
	assert_false(yaml_find(one, "a")->is_merged);
	assert_int_equal(yaml_find(one, "b")->pos.line, 1);
	assert_null(yaml_get(one, "<<"));
	assert_string_equal(yaml_text(yaml_get(two, "a")), "1");
	assert_string_equal(yaml_text(yaml_get(two, "b")), "4");
	assert_string_equal(yaml_text(yaml_get(two, "c")), "2");
	assert_string_equal(yaml_text(yaml_get(yaml_get(root, "last"), "z")), "1");
}

static void an_empty_document_is_nothing(void **state)
{
	static const char *const texts[] = {"", "# only this\n", "---\n", "---\n...\n", "~"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup_yaml struct yaml_document *document = parse(texts[i]);

		assert_int_equal(yaml_root(document)->type, YAML_NULL);
	}
}

static void refuse(const char *text, size_t len, int line, int column, const char *message)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos = {0};
	cleanup_yaml struct yaml_document *document = yaml_parse(text, len, &pos, &err);

	assert_null(document);
	if (!strstr(err.text, message))
		fail_msg("`%s` does not say `%s`", err.text, message);
	assert_int_equal(pos.line, line);
	assert_int_equal(pos.column, column);
}

static void wrong_texts_have_places(void **state)
{
	static const struct {
		const char *text;
		int line, column;
		const char *message;
	} cases[] = {
		{"a: [1,\nb: 2\n", 3, 1, "while parsing a flow sequence, did not find expected"},
		{"a: @b\n", 1, 4, "cannot start any token"},
		{"ä: 1\nb: 2\nä: 3\n", 3, 1, "the key `ä` is there twice"},
		{"a: *gone\n", 1, 4, "no anchor `&gone` before this"},
		{"a: &a\n  b: *a\n", 2, 6, "`*a` would be a part of itself"},
		{"a: &a [*a]\n", 1, 8, "would be a part of itself"},
		{"a: 1\n---\nb: 2\n", 2, 1, "more than one document"},
		{"a: !reset 1\n", 1, 4, "the tag !reset is not supported"},
		{"? [a]\n: b\n", 1, 3, "a key that is no text"},
		{"a: {<<: 1}\n", 1, 5, "`<<` takes a map"},
		{"a: \"x\\0y\"\n", 1, 4, "a NUL character"},
		{"a: b\nc: \xff\n", 2, 4, "UTF-8"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuse(cases[i].text, strlen(cases[i].text), cases[i].line, cases[i].column,
		       cases[i].message);
}

static void every_input_has_a_limit(void **state)
{
	cleanup(strbuf_release) struct strbuf deep = STRBUF_INIT, wide = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf bomb = STRBUF_INIT, large = STRBUF_INIT;

	for (int i = 0; i < 100; i++)
		strbuf_adds(&deep, "[");
	refuse(deep.buf, deep.len, 1, YAML_MAX_DEPTH + 1, "more than 64 levels");

	/* Nine letters, each ten times the one before: a thousand million values. */
	strbuf_adds(&bomb, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
	for (char c = 'b'; c < 'j'; c++)
		strbuf_addf(&bomb, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c,
		            c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	refuse(bomb.buf, bomb.len, 5, 29, "more than 100000 values");

	for (int i = 0; i < 5000; i++)
		strbuf_addf(&wide, "k%d: 1\n", i);
	refuse(wide.buf, wide.len, 4097, 1, "more than 4096 keys");

	for (size_t i = 0; i <= YAML_MAX_BYTES; i++)
		strbuf_addch(&large, '#');
	refuse(large.buf, large.len, 1, 1, "larger than 1048576 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_types_and_places),
		cmocka_unit_test(what_is_merged_gives_way),
		cmocka_unit_test(an_empty_document_is_nothing),
		cmocka_unit_test(wrong_texts_have_places),
		cmocka_unit_test(every_input_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
