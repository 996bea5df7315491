#include "base/cron.h"

#include "base/array.h"
#include "base/error.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static const struct vector {
	const char *text, *zone;
	int64_t after, due;
} vectors[] = {
#include "cron_vectors.h"
};

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static int64_t next(const char *text, int64_t after)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct cron cron;

	if (cron_parse(text, &cron, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return cron_next(&cron, after);
}

static void another_program_finds_the_same_times(void **state)
{
	assert_true(ARRAY_LEN(vectors) > 100);
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		int64_t due;

		set_zone(vectors[i].zone);
		due = next(vectors[i].text, vectors[i].after);
		if (due != vectors[i].due)
			fail_msg("%s in %s after %lld: %lld, not %lld", vectors[i].text,
			         vectors[i].zone, (long long)vectors[i].after,
			         (long long)vectors[i].due, (long long)due);
	}
}

/* Seconds since 1970 of a time in UTC. */
static int64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = {.tm_year = year - 1900,
	                .tm_mon = month - 1,
	                .tm_mday = day,
	                .tm_hour = hour,
	                .tm_min = minute};

	return (int64_t)timegm(&tm);
}

static void names_macros_and_leap_days(void **state)
{
	int64_t friday = utc(2026, 1, 2, 12, 30);

	set_zone("UTC");
	assert_int_equal(next("0 9 * * MON-fri", friday), utc(2026, 1, 5, 9, 0));
	assert_int_equal(next("0 0 * feb 7", friday), utc(2026, 2, 1, 0, 0));
	assert_int_equal(next("@hourly", friday), utc(2026, 1, 2, 13, 0));
	assert_int_equal(next("@yearly", friday), utc(2027, 1, 1, 0, 0));
	assert_int_equal(next(" 0\t0  29 2 * ", friday), utc(2028, 2, 29, 0, 0));
	assert_int_equal(next("30 12 * * *", friday), utc(2026, 1, 3, 12, 30));
}

static void a_night_with_a_shift_has_each_named_time_once(void **state)
{
	set_zone("Europe/Berlin");
	/* 02:30 is left out on March 29: due at 03:00. */
	assert_int_equal(next("30 2 * * *", utc(2026, 3, 28, 12, 0)), utc(2026, 3, 29, 1, 0));
	/* And comes twice on October 25. */
	assert_int_equal(next("30 2 * * *", utc(2026, 10, 24, 12, 0)), utc(2026, 10, 25, 0, 30));
	assert_int_equal(next("30 2 * * *", utc(2026, 10, 25, 0, 30)), utc(2026, 10, 26, 1, 30));
	/* Every half hour is every half hour. */
	assert_int_equal(next("*/30 * * * *", utc(2026, 10, 25, 0, 30)), utc(2026, 10, 25, 1, 0));
}

static void wrong_ones_say_what_is_wrong(void **state)
{
	static const char *const wrong[][2] = {
		{"", "expected 5 fields, got 0"},
		{"* * * *", "expected 5 fields, got 4"},
		{"* * * * * *", "expected 5 fields, got 6"},
		{"60 * * * *", "minute: \"60\": expected 0-59"},
		{"* 1-24 * * *", "hour: \"1-24\": expected 0-23"},
		{"* * 0 * *", "day of the month: \"0\": expected 1-31"},
		{"* * * foo *", "month: \"foo\": expected 1-12"},
		{"* * * * fri-mon", "day of the week: \"fri-mon\" goes backwards"},
		{"*/0 * * * *", "minute: \"*/0\": the step must be 1 or more"},
		{"1,,2 * * * *", "minute: \"\": expected 0-59"},
		{"99999 * * * *", "minute: \"99999\": expected 0-59"},
		{"0 0 30 2 *", "there is no such day"},
		{"@reboot", "\"@reboot\" is none of @hourly, @daily, @weekly, @monthly and "
	                    "@yearly"},
	};

	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		struct cron cron;

		assert_int_equal(cron_parse(wrong[i][0], &cron, &err), -1);
		assert_string_equal(err.text, wrong[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_program_finds_the_same_times),
		cmocka_unit_test(names_macros_and_leap_days),
		cmocka_unit_test(a_night_with_a_shift_has_each_named_time_once),
		cmocka_unit_test(wrong_ones_say_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
