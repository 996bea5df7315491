/* When a service is ready, and what becomes of it when it is not any more. */
#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_liveness_marks_unhealthy_and_back(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->health.kind = PLAN_HEALTH_HTTP;
	apply(f);
	fake_run(&f->fake, 1000);
	fake_behaviour(&f->fake, "web")->ready_after_ms = -1;
	fake_run(&f->fake, 4000);
	assert_state(f, "web", SERVICE_UNHEALTHY, false);
	fake_behaviour(&f->fake, "web")->ready_after_ms = 0;
	fake_run(&f->fake, 1500);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static struct service_plan *add_worker(struct fixture *f, const char *name,
                                       enum plan_health_kind kind)
{
	struct service_plan *plan = add(f, name, NULL);

	plan->has_port = false;
	plan->port = 0;
	plan->health.kind = kind;
	plan->health.pattern = kind == PLAN_HEALTH_LOG ? xstrdup("ready") : NULL;
	return plan;
}

static void test_a_line_in_the_log_makes_it_ready(void **state)
{
	struct fixture *f = *state;

	add_worker(f, "job", PLAN_HEALTH_LOG);
	add(f, "web", NULL)->health.kind = PLAN_HEALTH_LOG;
	fake_behaviour(&f->fake, "job")->line_after_ms = 500;
	fake_behaviour(&f->fake, "web")->line_after_ms = 500;
	apply(f);
	fake_run(&f->fake, 400);
	assert_state(f, "job", SERVICE_RUNNING, false);
	assert_state(f, "web", SERVICE_RUNNING, false);
	fake_run(&f->fake, 200);
	assert_state(f, "job", SERVICE_RUNNING, true);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_result(f, "job ok");
}

static void test_a_pattern_that_never_comes_is_a_timeout(void **state)
{
	struct fixture *f = *state;

	add_worker(f, "job", PLAN_HEALTH_LOG)->health.start_period_ms = 2000;
	fake_behaviour(&f->fake, "job")->line_after_ms = -1;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_result(f, "job: not ready after 2 s: no line of its log matches its pattern");
}

static void test_ready_by_notify_is_ready_at_once(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->ready_after_ms = -1;
	add_worker(f, "job", PLAN_HEALTH_NOTIFY);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, false);
	assert_state(f, "job", SERVICE_RUNNING, false);
	fake_notify(&f->fake, "web",
	            (struct keeper_status){.state = KEEPER_RUNNING, .notify_ready = true});
	assert_state(f, "web", SERVICE_RUNNING, true);
	fake_notify(&f->fake, "job",
	            (struct keeper_status){.state = KEEPER_RUNNING,
	                                   .notify_ready = true,
	                                   .notify_text = "at work"});
	assert_state(f, "job", SERVICE_RUNNING, true);
	assert_string_equal(find(f, "job").detail, "at work");
	/* It never listens, and said that it need not. */
	fake_run(&f->fake, 60000);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_an_explicit_check_does_not_listen_to_notify(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->health.kind = PLAN_HEALTH_NOTIFY;
	apply(f);
	fake_run(&f->fake, 1000);
	/* Its port accepts, but it has not said so. */
	assert_state(f, "web", SERVICE_RUNNING, false);
	assert_int_equal(find(f, "web").port, plan_of(f, "web")->port);
}

static void test_stopping_by_itself_is_shown(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	fake_notify(&f->fake, "web",
	            (struct keeper_status){.state = KEEPER_RUNNING, .notify_stopping = true});
	assert_state(f, "web", SERVICE_RUNNING, false);
	assert_string_equal(find(f, "web").detail, "it is stopping by itself");
	fake_run(&f->fake, 20000);
	assert_state(f, "web", SERVICE_RUNNING, false);
}

static void test_a_missed_watchdog_is_a_crash(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->max_restarts = 1;
	apply(f);
	for (int i = 0; i < 2; i++) {
		fake_run(&f->fake, 1000);
		assert_state(f, "web", SERVICE_RUNNING, true);
		fake_notify(&f->fake, "web",
		            (struct keeper_status){.state = KEEPER_RUNNING,
		                                   .watchdog_us = 500000,
		                                   .watchdog_missed = true});
		assert_int_equal(f->fake.last_command, KEEPER_KILL);
		assert_state(f, "web", SERVICE_RUNNING, false);
	}
	fake_run(&f->fake, 1);
	assert_int_equal(f->fake.starts, 2);
	assert_state(f, "web", SERVICE_CRASHED, false);
	assert_string_equal(find(f, "web").detail,
	                    "was ended after 1.0 s: no sign of life within 0.5 s (watchdog); "
	                    "given up after 1 restart (max_restarts)");
}

static void test_more_time_can_be_asked_for(void **state)
{
	struct fixture *f = *state;

	add_worker(f, "job", PLAN_HEALTH_NOTIFY)->health.start_period_ms = 1000;
	apply(f);
	fake_run(&f->fake, 100);
	fake_notify(&f->fake, "job",
	            (struct keeper_status){.state = KEEPER_RUNNING,
	                                   .extend_us = (uint64_t)(f->fake.now_ms + 5000) * 1000});
	fake_run(&f->fake, 4000);
	assert_int_equal(f->done, 0);
	fake_run(&f->fake, 2000);
	assert_result(f, "job: not ready after 1 s: it has not said READY=1");
}

static void test_unhealthy_is_restarted_when_asked_for(void **state)
{
	struct fixture *f = *state;
	struct service_plan *plan = add(f, "web", NULL);
	struct behaviour *behaviour = fake_behaviour(&f->fake, "web");

	plan->health.kind = PLAN_HEALTH_HTTP;
	plan->health.restart = true;
	plan->max_restarts = 1;
	behaviour->stop_takes_ms = 100;
	apply(f);
	fake_run(&f->fake, 1000);
	behaviour->ready_after_ms = -1;
	fake_run(&f->fake, 2050);
	assert_state(f, "web", SERVICE_UNHEALTHY, false);
	assert_int_equal(f->fake.last_command, KEEPER_STOP);
	fake_run(&f->fake, 200);
	/* It exited with 0 when it was told to stop, which is no success here. */
	assert_int_equal(f->fake.starts, 2);
	assert_int_equal(find(f, "web").restarts, 1);
	behaviour->ready_after_ms = 0;
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	behaviour->ready_after_ms = -1;
	fake_run(&f->fake, 10000);
	assert_state(f, "web", SERVICE_CRASHED, false);
	assert_non_null(strstr(find(f, "web").detail, "unhealthy: nothing listens on the port"));
}

static void test_a_stranger_on_its_port_is_never_routed_to(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_false(find(f, "web").is_port_stolen);
	fake_behaviour(&f->fake, "web")->is_held_by_stranger = true;
	fake_run(&f->fake, 5100);
	assert_state(f, "web", SERVICE_UNHEALTHY, false);
	assert_true(find(f, "web").is_port_stolen);
	assert_string_equal(find(f, "web").detail, "the port is held by pid 1");
	fake_behaviour(&f->fake, "web")->is_held_by_stranger = false;
	fake_run(&f->fake, 5100);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_false(find(f, "web").is_port_stolen);
}

static void test_a_new_daemon_believes_what_the_log_said(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_memory memory = {"job", 7, "1", .wanted = true, .ready = true};

	add_worker(f, "job", PLAN_HEALTH_LOG);
	fake_behaviour(&f->fake, "job")->is_alive = true;
	fake_behaviour(&f->fake, "job")->line_after_ms = -1;
	assert_int_equal(
		supervisor_adopt(f->sup, "shop", f->plans.items, f->plans.len, &memory, 1, &err),
		0);
	fake_run(&f->fake, 100);
	assert_state(f, "job", SERVICE_RUNNING, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_liveness_marks_unhealthy_and_back),
		TEST(test_a_line_in_the_log_makes_it_ready),
		TEST(test_a_pattern_that_never_comes_is_a_timeout),
		TEST(test_ready_by_notify_is_ready_at_once),
		TEST(test_an_explicit_check_does_not_listen_to_notify),
		TEST(test_stopping_by_itself_is_shown),
		TEST(test_a_missed_watchdog_is_a_crash),
		TEST(test_more_time_can_be_asked_for),
		TEST(test_unhealthy_is_restarted_when_asked_for),
		TEST(test_a_stranger_on_its_port_is_never_routed_to),
		TEST(test_a_new_daemon_believes_what_the_log_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
