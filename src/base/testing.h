/*
 * testing - places where tests make a program die or fail, and the speed of its timers.
 *
 * Only the programs of tests (locald-testing, locald-keeper-testing) have them: everywhere
 * else these are empty inline functions.  tests/support/testing.c has what they do there, and
 * what the variables LOCALD_FAULT and LOCALD_TEST_TIMESCALE mean.
 *
 * The name of a point is `what.when` and is used once; tests/support/faults.py lists all of them
 * from the source, and a test fails when one is never passed.  A file of the daemon with a point is
 * in the list of locald-testing in tests/support/meson.build.
 */
#pragma once

#include <stdint.h>

#ifdef LOCALD_TESTING
/* May not come back. */
void fault_point(const char *name);
/* 0, or the errno with which what follows is to fail. */
int fault_errno(const char *name);
/* How many times as fast as clocks the supervisor's time goes; 1 unless a test says so. */
int64_t testing_timescale(void);
#else
static inline void fault_point(const char *name)
{
}

static inline int fault_errno(const char *name)
{
	return 0;
}

static inline int64_t testing_timescale(void)
{
	return 1;
}
#endif
