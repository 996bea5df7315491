#include "cli/when.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Local time is an hour before UTC's. */
static const char now_text[] = "2026-11-25T13:00:00.000Z";

static void assert_when(const char *text, const char *expected)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char utc[CLOCK_TEXT_SIZE];
	int64_t now, got;

	assert_true(clock_parse_utc(now_text, &now));
	if (when_parse(text, now, &got, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	clock_format_utc(got, utc);
	assert_string_equal(utc, expected);
}

static void test_times(void **state)
{
	assert_when("now", "2026-11-25T13:00:00.000Z");
	assert_when("10m", "2026-11-25T12:50:00.000Z");
	assert_when("1h30m", "2026-11-25T11:30:00.000Z");
	assert_when("2d", "2026-11-23T13:00:00.000Z");
	assert_when("500ms", "2026-11-25T12:59:59.500Z");
	assert_when("today", "2026-11-25T01:00:00.000Z");
	assert_when("yesterday", "2026-11-24T01:00:00.000Z");
	assert_when("11:30", "2026-11-25T12:30:00.000Z");
	assert_when("11:30:05.25", "2026-11-25T12:30:05.250Z");
	assert_when("23:00", "2026-11-25T00:00:00.000Z"); /* of the day before */
	assert_when("2026-11-20", "2026-11-20T01:00:00.000Z");
	assert_when("2026-11-20 10:00", "2026-11-20T11:00:00.000Z");
	assert_when("2026-11-20T10:00:07", "2026-11-20T11:00:07.000Z");
	assert_when("2026-11-20T10:00:07Z", "2026-11-20T10:00:07.000Z");
	assert_when("2026-11-20T10:00:07.412Z", "2026-11-20T10:00:07.412Z");
	assert_when("2026-11-20T10:00:07+02:00", "2026-11-20T08:00:07.000Z");
	assert_when("@1764072000", "2025-11-25T12:00:00.000Z");
}

static void test_what_is_no_time(void **state)
{
	static const char *const bad[] = {
		"",      "soon",  "10",           "10x",        "m",           "10m5",
		"25:00", "12:61", "12:01:07x",    "2026-13-01", "2026-11-20T", "2026-11-20T10",
		"@",     "@12x",  "99999999999s", "-5m",        "12:01Z"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		int64_t ns;

		if (when_parse(bad[i], 1764072000000000000, &ns, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(err.hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_what_is_no_time),
	};

	setenv("TZ", "XXX1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
