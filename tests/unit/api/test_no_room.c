#include "api/no_room.c"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_where_and_how_much(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	error_errno(&err, ENOSPC, "/proc/sys/nothing/here");
	assert_int_equal(no_room_explain(&err, "/proc/sys/nothing/here"), -1);
	assert_int_equal(err.code, ENOSPC);
	assert_string_equal(err.text, "/proc/sys/nothing/here: No space left on device; the file "
	                              "system at /proc has 0 KiB free of 0 KiB");
	assert_string_equal(err.hint, "make room at /proc, and do it again; what runs goes on");
}

static void test_a_quota(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	error_set(&err, EDQUOT, "x");
	assert_int_equal(no_room_explain(&err, "/nothing"), -1);
	assert_string_equal(err.text,
	                    "x; the file system at / has no more for you: your quota is used up");
}

static void test_other_errors_stay(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	error_set(&err, EACCES, "x");
	assert_int_equal(no_room_explain(&err, "/nothing"), -1);
	assert_string_equal(err.text, "x");
	assert_null(err.hint);
}

static void test_sizes(void **state unused_arg)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{0, "0 KiB"},
		{512, "0.5 KiB"},
		{20 * 1024, "20 KiB"},
		{UINT64_C(8) << 20, "8.0 MiB"},
		{UINT64_C(3) << 40, "3.0 TiB"},
		{UINT64_C(5) << 50, "5120 TiB"},
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup_free char *text = size_text(sizes[i].bytes);

		assert_string_equal(text, sizes[i].text);
	}
}

static void test_files(void **state unused_arg)
{
	struct statvfs fs = {.f_frsize = 4096, .f_blocks = 512, .f_bavail = 256, .f_files = 40};
	cleanup_free char *full = room_text(&fs), *other = NULL;

	assert_string_equal(full, "has all of its 40 files in use, and 1.0 MiB free of 2.0 MiB");
	fs.f_files = 0;
	other = room_text(&fs);
	assert_string_equal(other, "has 1.0 MiB free of 2.0 MiB");
	assert_false(no_room_for_files("/proc/nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_and_how_much),
		cmocka_unit_test(test_a_quota),
		cmocka_unit_test(test_other_errors_stay),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
