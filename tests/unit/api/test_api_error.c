#include "api/api_error.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_round_trip(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT, back = ERROR_INIT;
	cleanup_json json_t *object = NULL;

	error_set(&err, ERR_NOT_FOUND, "no service `wbe` in shop");
	error_hint(&err, "did you mean `web`?");
	object = api_error_to_json(&err, NULL);
	assert_string_equal(json_get_str(object, "code", ""), "not_found");
	assert_null(json_object_get(object, "diagnostics"));

	assert_int_equal(api_error_from_json(object, &back), -1);
	assert_int_equal(back.code, ERR_NOT_FOUND);
	assert_string_equal(back.text, err.text);
	assert_string_equal(back.hint, err.hint);
}

static void test_diagnostics(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *none = json_array();
	cleanup_json json_t *one = json_pack("[{s:s}]", "id", "C012");
	cleanup_json json_t *without = NULL;
	cleanup_json json_t *with = NULL;

	error_set(&err, ERR_CONFIG, "wrong");
	without = api_error_to_json(&err, none);
	with = api_error_to_json(&err, one);
	assert_null(json_object_get(without, "diagnostics"));
	assert_int_equal(json_array_size(json_object_get(with, "diagnostics")), 1);
}

static void test_nonsense(void **state unused_arg)
{
	cleanup_json json_t *empty = json_object();
	cleanup_json json_t *wrong = json_pack("{s:i, s:[], s:s}", "code", 7, "text", "hint", "");
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(api_error_from_json(empty, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_non_null(err.text);
	assert_int_equal(api_error_from_json(wrong, &err), -1);
	assert_null(err.hint);
	assert_int_equal(api_error_from_json(NULL, &err), -1);
}

static void test_status(void **state unused_arg)
{
	assert_int_equal(api_error_status(ERR_NOT_FOUND), 404);
	assert_int_equal(api_error_status(ERR_USAGE), 400);
	assert_int_equal(api_error_status(EADDRINUSE), 409);
	assert_int_equal(api_error_status(EIO), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_diagnostics),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
