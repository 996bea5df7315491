#include "service/log_find.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)
#define DAY    (86400 * SECOND)

/* It ran for 100 s when the record was written, and for 130 s now; by the wall clock it is noon. */
static const struct log_entry written = {.boot = 7, .mono_ns = 100 * SECOND, .real_ns = DAY};

static int64_t ago_s(struct clocks now)
{
	return ago_ms(&written, &now) / 1000;
}

static void test_the_wall_clock_may_be_set(void **state)
{
	struct clocks now = {130 * SECOND, 130 * SECOND, DAY + 30 * SECOND, 7};

	assert_int_equal(ago_s(now), 30);
	now.real_ns = 3 * DAY;
	assert_int_equal(ago_s(now), 30);
	now.real_ns = 0;
	assert_int_equal(ago_s(now), 30);
}

/* For an hour, before or after it. */
static void test_the_machine_may_sleep(void **state)
{
	struct clocks now = {130 * SECOND, 3730 * SECOND, DAY + 30 * SECOND, 7};

	assert_int_equal(ago_s(now), 30);
	now.real_ns += 3600 * SECOND;
	assert_int_equal(ago_s(now), 3630);
	now.real_ns += DAY;
	assert_int_equal(ago_s(now), 3630);
	now.real_ns = 0;
	assert_int_equal(ago_s(now), 30);
}

static void test_only_the_wall_clock_knows_of_another_boot(void **state)
{
	struct clocks now = {5 * SECOND, 5 * SECOND, DAY + 600 * SECOND, 8};

	assert_int_equal(ago_s(now), 600);
	now.real_ns = 0;
	assert_int_equal(ago_s(now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_wall_clock_may_be_set),
		cmocka_unit_test(test_the_machine_may_sleep),
		cmocka_unit_test(test_only_the_wall_clock_knows_of_another_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
