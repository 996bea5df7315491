/* Services that run when they are due. */
#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)

static struct service_plan *add_job(struct fixture *f, int64_t every_ms, int64_t run_ms)
{
	struct service_plan *plan = add(f, "job", NULL);

	plan->has_port = false;
	plan->port = 0;
	plan->every_ms = every_ms;
	plan->schedule = every_ms ? NULL : xstrdup("0 * * * *");
	fake_behaviour(&f->fake, "job")->exit_after_ms = run_ms;
	setenv("TZ", "UTC", 1);
	return plan;
}

static void test_it_is_up_at_once_and_runs_when_it_is_due(void **state)
{
	struct fixture *f = *state;

	add_job(f, 10000, 100);
	apply(f);
	fake_run(&f->fake, 10);
	assert_result(f, "job ok");
	assert_state(f, "job", SERVICE_SCHEDULED, true);
	assert_int_equal(f->fake.starts, 0);
	apply(f);
	fake_run(&f->fake, 10);
	assert_result(f, "job unchanged");
	fake_run(&f->fake, 10000);
	assert_int_equal(f->fake.starts, 1);
	fake_run(&f->fake, 200);
	assert_state(f, "job", SERVICE_SCHEDULED, true);
	assert_non_null(strstr(find(f, "job").detail, "; last: exited with code 0"));
	fake_run(&f->fake, 100000);
	assert_int_equal(f->fake.starts, 11);
}

static void test_a_run_that_is_late_is_skipped_and_told(void **state)
{
	struct fixture *f = *state;

	add_job(f, 10000, 15000);
	apply(f);
	fake_run(&f->fake, 21000);
	assert_int_equal(f->fake.starts, 1);
	assert_non_null(strstr(find(f, "job").warning, "a run of job was skipped"));
	fake_run(&f->fake, 10000);
	assert_int_equal(f->fake.starts, 2);
	assert_int_equal(f->fake.keepers.len, 1);
	assert_null(find(f, "job").warning);
}

static void test_a_failed_run_is_shown_and_has_its_next(void **state)
{
	struct fixture *f = *state;

	add_job(f, 10000, 100);
	fake_behaviour(&f->fake, "job")->exit_code = 2;
	apply(f);
	fake_run(&f->fake, 10500);
	assert_state(f, "job", SERVICE_CRASHED, false);
	assert_int_equal(find(f, "job").next_try_ms, -1);
	assert_true(find(f, "job").next_run_real_ns > 0);
	fake_behaviour(&f->fake, "job")->exit_code = 0;
	fake_run(&f->fake, 10000);
	assert_int_equal(f->fake.starts, 2);
	assert_state(f, "job", SERVICE_SCHEDULED, true);
}

static void test_a_restart_runs_it_now_and_a_stop_ends_it(void **state)
{
	struct fixture *f = *state;

	add_job(f, HOUR_MS, 100);
	apply(f);
	fake_run(&f->fake, 1000);
	apply_subset(f, "job", (struct apply_options){.force_restart = true});
	fake_run(&f->fake, 50);
	assert_result(f, "job ok");
	assert_state(f, "job", SERVICE_RUNNING, true);
	fake_run(&f->fake, 200);
	assert_state(f, "job", SERVICE_SCHEDULED, true);
	assert_int_equal(f->fake.starts, 1);
	stop(f, NULL);
	fake_run(&f->fake, 3 * HOUR_MS);
	assert_state(f, "job", SERVICE_STOPPED, false);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(f->fake.timers.len, 0);
}

static void test_a_schedule_follows_the_wall(void **state)
{
	struct fixture *f = *state;

	add_job(f, 0, 100);
	apply(f);
	fake_run(&f->fake, HOUR_MS / 2);
	assert_int_equal(f->fake.starts, 0);
	/* A day ahead: the hour that was waited for is over, so it is due. */
	fake_set_clock(&f->fake, 24 * HOUR_MS);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 1);
	fake_run(&f->fake, HOUR_MS / 2);
	assert_int_equal(f->fake.starts, 2);
	/* And back: only the next hour counts. */
	fake_set_clock(&f->fake, -24 * HOUR_MS);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 2);
	fake_run(&f->fake, HOUR_MS);
	assert_int_equal(f->fake.starts, 3);
}

static void test_every_does_not_follow_the_wall(void **state)
{
	struct fixture *f = *state;

	add_job(f, HOUR_MS, 100);
	apply(f);
	fake_run(&f->fake, HOUR_MS / 2);
	fake_set_clock(&f->fake, 24 * HOUR_MS);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 0);
	fake_set_clock(&f->fake, -48 * HOUR_MS);
	fake_run(&f->fake, HOUR_MS / 2);
	assert_int_equal(f->fake.starts, 1);
}

static void test_a_new_daemon_goes_on_with_it(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_memory memory = {"job", 7, "1", .wanted = true};

	add_job(f, 10000, 0);
	assert_int_equal(
		supervisor_adopt(f->sup, "shop", f->plans.items, f->plans.len, &memory, 1, &err),
		0);
	fake_run(&f->fake, 100);
	assert_state(f, "job", SERVICE_SCHEDULED, true);
	fake_run(&f->fake, 10000);
	assert_int_equal(f->fake.starts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_is_up_at_once_and_runs_when_it_is_due),
		TEST(test_a_run_that_is_late_is_skipped_and_told),
		TEST(test_a_failed_run_is_shown_and_has_its_next),
		TEST(test_a_restart_runs_it_now_and_a_stop_ends_it),
		TEST(test_a_schedule_follows_the_wall),
		TEST(test_every_does_not_follow_the_wall),
		TEST(test_a_new_daemon_goes_on_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
