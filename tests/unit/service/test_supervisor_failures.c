#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_back_off_grows_and_a_stable_run_resets_it(void **state)
{
	static const int delays_s[] = {0, 1, 2, 4, 8, 16, 30, 30};
	struct fixture *f = *state;
	struct behaviour *web = fake_behaviour(&f->fake, "web");

	add(f, "web", NULL);
	web->ready_after_ms = -1;
	web->exit_after_ms = 10;
	web->exit_code = 1;
	apply(f);
	fake_run(&f->fake, 1);
	for (size_t i = 0; i < ARRAY_LEN(delays_s); i++) {
		int starts = f->fake.starts;

		fake_run(&f->fake, 1000 * delays_s[i]);
		assert_true(f->fake.starts - starts <= 1);
		fake_run(&f->fake, 15);
		assert_int_equal(f->fake.starts, i + 2);
	}
	assert_int_equal(find(f, "web").restarts, 9);
	assert_int_equal(find(f, "web").last_lines->len, 1);
	web->ready_after_ms = 0;
	web->exit_after_ms = 61000;
	fake_run(&f->fake, 31000 + 61000);
	assert_int_equal(find(f, "web").restarts, 1);
}

static void test_a_restart_by_hand_resets_the_back_off(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *f = *state;
	struct behaviour *web = fake_behaviour(&f->fake, "web");

	add(f, "web", NULL);
	web->ready_after_ms = -1;
	web->exit_after_ms = 10;
	web->exit_code = 1;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_true(find(f, "web").restarts > 2);
	web->ready_after_ms = 0;
	web->exit_after_ms = -1;
	fake_run(&f->fake, 8000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	web->exit_after_ms = 10;
	assert_true(supervisor_restart(f->sup, "shop", NULL, on_done, f, &err) > 0);
	fake_run(&f->fake, 15);
	assert_int_equal(find(f, "web").restarts, 1);
}

static void test_up_fails_when_a_service_keeps_crashing(void **state)
{
	struct fixture *f = *state;
	struct behaviour *db = fake_behaviour(&f->fake, "db");

	add(f, "web", "db");
	add(f, "db", NULL);
	db->ready_after_ms = -1;
	db->exit_after_ms = 10;
	db->exit_code = 3;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_int_equal(f->done, 1);
	assert_result(f, "db: exited with code 3 after 0.0 s");
	assert_result(f, "web: db, which it depends on, is crashed");
	assert_state(f, "web", SERVICE_WAITING, false);
	/* The policy goes on: once the cause is gone, both come up by themselves. */
	db->ready_after_ms = 0;
	db->exit_after_ms = -1;
	fake_run(&f->fake, 60000);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_what_cannot_be_executed_is_not_tried_again(void **state)
{
	struct fixture *f = *state;
	struct behaviour *web = fake_behaviour(&f->fake, "web");

	add(f, "web", NULL);
	web->ready_after_ms = -1;
	web->exit_after_ms = 1;
	web->exit_code = 127;
	apply(f);
	fake_run(&f->fake, 60000);
	assert_int_equal(f->fake.starts, 1);
	assert_state(f, "web", SERVICE_CRASHED, false);
	assert_int_equal(find(f, "web").next_try_ms, -1);
	assert_result(f, "web: exited with code 127 after 0.0 s");
}

static void test_restart_policy_no_and_max(void **state)
{
	struct fixture *f = *state;

	add(f, "no", NULL)->restart = PLAN_RESTART_NO;
	add(f, "max", NULL)->max_restarts = 2;
	for (int i = 0; i < 2; i++) {
		struct behaviour *b = fake_behaviour(&f->fake, f->plans.items[i].name);

		b->ready_after_ms = -1;
		b->exit_after_ms = 1;
		b->exit_signal = 9;
	}
	apply(f);
	fake_run(&f->fake, 120000);
	assert_int_equal(f->fake.starts, 1 + 3);
	assert_result(f, "no: killed by SIGKILL after 0.0 s");
	assert_state(f, "max", SERVICE_CRASHED, false);
	assert_string_equal(find(f, "max").detail,
	                    "killed by SIGKILL after 0.0 s; given up after 2 restarts "
	                    "(max_restarts)");
	assert_int_equal(find(f, "max").next_try_ms, -1);
}

static void test_restart_always_starts_again_what_ended_well(void **state)
{
	struct fixture *f = *state;
	struct behaviour *b = fake_behaviour(&f->fake, "job");
	struct service_plan *plan = add(f, "job", NULL);

	plan->has_port = false;
	plan->port = 0;
	plan->restart = PLAN_RESTART_ALWAYS;
	plan->max_restarts = 4;
	b->exit_after_ms = 200;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_result(f, "job ok");
	assert_state(f, "job", SERVICE_EXITED, false);
	assert_true(find(f, "job").next_try_ms > 0);
	fake_run(&f->fake, 120000);
	assert_int_equal(f->fake.starts, 5);
	assert_state(f, "job", SERVICE_EXITED, false);
	assert_string_equal(find(f, "job").detail,
	                    "exited with code 0 after 0.2 s; given up after 4 restarts "
	                    "(max_restarts)");
	stop(f, "job");
	fake_run(&f->fake, 10);
	assert_state(f, "job", SERVICE_STOPPED, false);
}

static void test_other_codes_can_be_success(void **state)
{
	struct fixture *f = *state;
	struct service_plan *plan = add(f, "seed", NULL);
	struct behaviour *b = fake_behaviour(&f->fake, "seed");

	plan->oneshot = true;
	*array_add(&plan->success_codes) = 3;
	b->exit_after_ms = 10;
	b->exit_code = 3;
	apply(f);
	fake_run(&f->fake, 100);
	assert_state(f, "seed", SERVICE_EXITED, true);
	assert_result(f, "seed ok");
}

static void test_never_ready_times_out_but_lives(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->health.start_period_ms = 3000;
	fake_behaviour(&f->fake, "web")->ready_after_ms = 10000;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_int_equal(f->done, 1);
	assert_result(f, "web: not ready after 3 s: nothing listens on the port");
	fake_run(&f->fake, 10000);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_wrong_port_is_followed_with_the_fix(void **state)
{
	struct fixture *f = *state;
	struct service_snapshot web;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->listens_on = 5173;
	apply(f);
	fake_run(&f->fake, 2000);
	web = find(f, "web");
	assert_true(web.ready);
	assert_int_equal(web.port, 5173);
	assert_non_null(strstr(web.warning, "add `port = 5173` to [services.web]"));
	/* It was a side door: the right port opens later. */
	fake_behaviour(&f->fake, "web")->listens_on = 0;
	fake_run(&f->fake, 6000);
	web = find(f, "web");
	assert_int_equal(web.port, plan_of(f, "web")->port);
	assert_null(web.warning);
}

static void test_a_stranger_is_not_readiness(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->is_held_by_stranger = true;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_state(f, "web", SERVICE_RUNNING, false);
	assert_string_equal(find(f, "web").detail, "the port is held by pid 1");
}

static void test_taken_port_is_refused_before_a_start(void **state)
{
	struct fixture *f = *state;

	f->fake.taken_port = add(f, "web", NULL)->port;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_int_equal(f->fake.starts, 0);
	assert_result(f, "web: port 4001 is taken by pid 1");
}

static void test_a_keeper_that_cannot_start_fails_the_service(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->refusal = "no room";
	apply(f);
	fake_run(&f->fake, 5000);
	assert_result(f, "web: no room");
	assert_state(f, "web", SERVICE_CRASHED, false);
	assert_int_equal(f->fake.keepers.len, 0);
}

static void test_failed_prepare_keeps_its_reason(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error failure = ERROR_INIT;

	add(f, "web", NULL)->needs_prepare = true;
	apply(f);
	fake_run(&f->fake, 10);
	error_set(&failure, ERR_FAILED, "the buildpack said no");
	supervisor_prepared(f->sup, f->prepare_token, NULL, NULL, &failure);
	fake_run(&f->fake, 10);
	assert_result(f, "web: the buildpack said no");
}

static void adopt(struct fixture *f, bool wanted)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_memory memory = {"web", 7, "1", wanted};

	assert_int_equal(
		supervisor_adopt(f->sup, "shop", f->plans.items, f->plans.len, &memory, 1, &err),
		0);
}

static void test_adopt_finds_a_living_keeper(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->is_alive = true;
	adopt(f, true);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(find(f, "web").run, 7);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_result(f, "web unchanged");
	assert_int_equal(f->fake.starts, 0);
}

static void test_adopt_goes_on_with_a_crash_and_a_stop(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->exit_code = 1;
	adopt(f, true);
	fake_run(&f->fake, 100);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(find(f, "web").run, 8);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_adopt_starts_what_never_began(void **state)
{
	struct fixture *f = *state;
	struct behaviour *behaviour = fake_behaviour(&f->fake, "web");

	add(f, "web", NULL)->restart = PLAN_RESTART_NO;
	behaviour->is_exit_unknown = behaviour->never_began = true;
	adopt(f, true);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(find(f, "web").restarts, 0);
}

static void test_adopt_finishes_a_restart(void **state)
{
	struct fixture *f = *state;

	/* It was stopped, to be started again. */
	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->is_exit_requested = true;
	adopt(f, true);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(find(f, "web").restarts, 0);
}

static void test_adopt_finishes_a_stop(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->is_alive = true;
	adopt(f, false);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_STOPPED, false);
	assert_int_equal(f->fake.keepers.len, 0);
	assert_int_equal(f->fake.starts, 0);
}

static void test_adopt_leaves_a_completed_oneshot(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->oneshot = true;
	adopt(f, true);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_EXITED, true);
	assert_int_equal(f->fake.starts, 0);
}

static void test_out_of_memory_is_named(void **state)
{
	struct fixture *f = *state;
	struct behaviour *behaviour = fake_behaviour(&f->fake, "web");

	add(f, "web", NULL)->restart = PLAN_RESTART_NO;
	behaviour->exit_after_ms = 100;
	behaviour->exit_signal = 9;
	f->fake.is_out_of_memory = true;
	f->fake.oom_limit = 64u << 20;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_string_equal(find(f, "web").detail,
	                    "killed: out of memory (limit 64 MiB) after 0.1 s");
	f->fake.oom_limit = 0;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_non_null(strstr(find(f, "web").detail, "out of memory (the machine's)"));
	/* Another end has nothing to do with it. */
	behaviour->exit_signal = 11;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_string_equal(find(f, "web").detail, "killed by SIGSEGV after 0.1 s");
}

static void test_a_lost_keeper_is_not_guessed_about(void **state)
{
	struct fixture *f = *state;

	add(f, "web", NULL)->restart = PLAN_RESTART_NO;
	fake_behaviour(&f->fake, "web")->is_exit_unknown = true;
	fake_behaviour(&f->fake, "web")->exit_after_ms = 100;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_CRASHED, false);
	assert_false(find(f, "web").last_exit.is_known);
}

static void test_blocked_until_applied(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	add(f, "web", NULL);
	assert_int_equal(
		supervisor_declare(f->sup, "shop", f->plans.items, 1, "not approved", &err), 0);
	assert_state(f, "web", SERVICE_BLOCKED, false);
	assert_string_equal(find(f, "web").detail, "not approved");
	apply(f);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(supervisor_declare(f->sup, "shop", f->plans.items, 1, "changed", &err), 0);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_BLOCKED, false);
	assert_int_equal(f->fake.keepers.len, 0);
	assert_int_equal(supervisor_forget(f->sup, "shop", &err), 0);
	assert_int_equal(supervisor_each(f->sup, NULL, NULL, NULL), 0);
}

static void test_a_worker_that_dies_at_once_fails_up(void **state)
{
	struct fixture *f = *state;

	add(f, "worker", NULL)->has_port = false;
	fake_behaviour(&f->fake, "worker")->exit_after_ms = 5;
	fake_behaviour(&f->fake, "worker")->exit_code = 2;
	apply(f);
	fake_run(&f->fake, 5000);
	assert_result(f, "worker: exited with code 2 after 0.0 s");
}

static void test_a_worker_that_dies_at_once_lets_nobody_start(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "worker");
	add(f, "worker", NULL)->has_port = false;
	fake_behaviour(&f->fake, "worker")->exit_after_ms = 20;
	fake_behaviour(&f->fake, "worker")->exit_code = 2;
	apply(f);
	fake_run(&f->fake, 30000);
	assert_int_equal(find(f, "web").run, 0);
	assert_true(find(f, "worker").run > 1);
	fake_behaviour(&f->fake, "worker")->exit_after_ms = -1;
	fake_run(&f->fake, 60000);
	assert_int_equal(find(f, "web").run, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_back_off_grows_and_a_stable_run_resets_it),
		TEST(test_a_restart_by_hand_resets_the_back_off),
		TEST(test_up_fails_when_a_service_keeps_crashing),
		TEST(test_what_cannot_be_executed_is_not_tried_again),
		TEST(test_restart_policy_no_and_max),
		TEST(test_restart_always_starts_again_what_ended_well),
		TEST(test_other_codes_can_be_success),
		TEST(test_never_ready_times_out_but_lives),
		TEST(test_wrong_port_is_followed_with_the_fix),
		TEST(test_a_stranger_is_not_readiness),
		TEST(test_taken_port_is_refused_before_a_start),
		TEST(test_a_keeper_that_cannot_start_fails_the_service),
		TEST(test_failed_prepare_keeps_its_reason),
		TEST(test_adopt_finds_a_living_keeper),
		TEST(test_adopt_goes_on_with_a_crash_and_a_stop),
		TEST(test_adopt_starts_what_never_began),
		TEST(test_adopt_finishes_a_restart),
		TEST(test_out_of_memory_is_named),
		TEST(test_adopt_finishes_a_stop),
		TEST(test_adopt_leaves_a_completed_oneshot),
		TEST(test_a_lost_keeper_is_not_guessed_about),
		TEST(test_blocked_until_applied),
		TEST(test_a_worker_that_dies_at_once_fails_up),
		TEST(test_a_worker_that_dies_at_once_lets_nobody_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
