#include "base/base64.h"

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void text_for_bytes_and_back(void **state)
{
	/* RFC 4648, section 10. */
	static const char *const cases[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xff\xfe", "//4="},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, bytes = STRBUF_INIT;

		base64_encode(cases[i][0], strlen(cases[i][0]), &text);
		assert_string_equal(text.buf, cases[i][1]);
		assert_int_equal(base64_decode(text.buf, &bytes, &err), 0);
		assert_string_equal(bytes.buf, cases[i][0]);
	}
}

static void what_is_not_base64(void **state)
{
	static const char *const cases[] = {"Z",    "Zg",   "Zg=",      "=",    "====",     "Z===",
	                                    "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9v\nYg", "Zm-_"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strbuf_release) struct strbuf bytes = STRBUF_INIT;

		if (base64_decode(cases[i], &bytes, &err) == 0)
			fail_msg("%s is taken", cases[i]);
		assert_int_equal(bytes.len, 0);
	}
}

static void any_bytes_go_through_json(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv before = STRV_INIT, after = STRV_INIT;
	cleanup_json json_t *array = NULL;

	strv_add(&before, "A=\xc3\xa9");
	strv_add(&before, "B=\xff\xfe");
	strv_add(&before, "");
	array = json_from_raw_strv(&before);
	assert_string_equal(json_string_value(json_array_get(array, 0)), "A=\xc3\xa9");
	assert_string_equal(json_get_str(json_array_get(array, 1), "base64", ""), "Qj3//g==");
	assert_int_equal(json_to_strv(array, "env", &after, &err), 0);
	assert_int_equal(after.len, 3);
	for (size_t i = 0; i < after.len; i++)
		assert_string_equal(after.items[i], before.items[i]);
}

static void a_nul_is_no_string(void **state)
{
	static const char *const cases[] = {"[{\"base64\":\"QQBC\"}]",
	                                    "[{\"base64\":\"?\"}]",
	                                    "[{\"base64\":1}]",
	                                    "[{}]",
	                                    "[1]",
	                                    "[\"a\\u0000b\"]"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strv_release) struct strv v = STRV_INIT;
		cleanup_json json_t *array = json_loads(cases[i], JSON_ALLOW_NUL, NULL);

		assert_non_null(array);
		if (json_to_strv(array, "env", &v, &err) == 0)
			fail_msg("%s is taken", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_for_bytes_and_back),
		cmocka_unit_test(what_is_not_base64),
		cmocka_unit_test(any_bytes_go_through_json),
		cmocka_unit_test(a_nul_is_no_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
