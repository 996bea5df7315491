#include "base/attrs.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void expect_same_as_libc(int64_t sec, int ms)
{
	char expected[CLOCK_TEXT_SIZE * 2], got[CLOCK_TEXT_SIZE];
	time_t when = (time_t)sec;
	struct tm tm;

	gmtime_r(&when, &tm);
	snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	         tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	         ms);
	clock_format_utc(sec * INT64_C(1000000000) + ms * INT64_C(1000000), got);
	assert_string_equal(got, expected);
}

static void test_every_day_is_the_librarys(void **state unused_arg)
{
	/* What 64 bits of nanoseconds reach: 1678 to 2262. */
	for (int64_t day = -106000; day <= 106000; day++)
		expect_same_as_libc(day * 86400, 0);
}

static void test_seconds_of_a_day(void **state unused_arg)
{
	for (int64_t sec = 1709164800 - 3; sec < 1709164800 + 86403; sec += 7)
		expect_same_as_libc(sec, (int)(sec % 1000));
	for (int64_t sec = -86403; sec < 86403; sec += 11)
		expect_same_as_libc(sec, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_day_is_the_librarys),
		cmocka_unit_test(test_seconds_of_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
