#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_dependencies_are_ready_first(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "api");
	add(f, "api", "db");
	add(f, "db", NULL);
	fake_behaviour(&f->fake, "db")->ready_after_ms = 500;
	apply(f);
	assert_int_equal(f->done, 0);
	fake_run(&f->fake, 400);
	assert_state(f, "db", SERVICE_RUNNING, false);
	assert_state(f, "api", SERVICE_WAITING, false);
	fake_run(&f->fake, 2000);
	assert_int_equal(f->done, 1);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_true(trace_index(f, "db running ready") < trace_index(f, "api starting"));
	assert_true(trace_index(f, "api running ready") < trace_index(f, "web starting"));
	assert_result(f, "web ok");
	assert_true(f->port_events > 0);
}

static void test_branches_start_in_parallel(void **state)
{
	struct fixture *f = *state;

	add(f, "a", NULL);
	add(f, "b", NULL);
	add(f, "c", NULL);
	for (int i = 0; i < 3; i++)
		fake_behaviour(&f->fake, f->plans.items[i].name)->ready_after_ms = 1000;
	apply(f);
	fake_run(&f->fake, 1300);
	assert_int_equal(f->done, 1);
}

static void test_unchanged_is_left_alone_and_changed_restarts(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "db");
	add(f, "db", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 2);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 2);
	assert_result(f, "web unchanged");

	free(plan_of(f, "web")->fingerprint);
	plan_of(f, "web")->fingerprint = xstrdup("2");
	apply(f);
	fake_run(&f->fake, 1000);
	assert_int_equal(f->fake.starts, 3);
	assert_result(f, "web ok");
	assert_result(f, "db unchanged");
	assert_string_equal(find(f, "web").fingerprint, "2");
	assert_int_equal(find(f, "web").run, 2);
}

static void test_a_changed_dependency_is_ready_before_its_dependent_restarts(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "db");
	add(f, "db", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	fake_behaviour(&f->fake, "db")->stop_takes_ms = 300;
	fake_behaviour(&f->fake, "db")->ready_after_ms = 300;
	apply_subset(f, NULL, (struct apply_options){.force_restart = true});
	fake_run(&f->fake, 3000);
	assert_int_equal(f->done, 2);
	assert_true(trace_index(f, "web stopped") < trace_index(f, "db stopping"));
	assert_true(trace_index(f, "db running ready") < trace_index(f, "web starting"));
	assert_result(f, "web ok");
	assert_result(f, "db ok");
}

static void test_a_restart_of_one_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	cleanup(strv_release) struct strv forced = STRV_INIT;

	add(f, "web", "db");
	add(f, "db", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	strv_add(&forced, "web");
	apply_subset(f, "web", (struct apply_options){.force_restart = true, .forced = &forced});
	fake_run(&f->fake, 1000);
	assert_result(f, "web ok");
	assert_result(f, "db unchanged");
	assert_int_equal(find(f, "web").run, 2);
	assert_int_equal(find(f, "db").run, 1);
	strv_release(&forced);
	strv_add(&forced, "db");
	apply_subset(f, "db", (struct apply_options){.force_restart = true, .forced = &forced});
	fake_run(&f->fake, 1000);
	assert_int_equal(find(f, "db").run, 2);
	assert_int_equal(find(f, "web").run, 2);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_stop_is_in_reverse_order(void **state)
{
	struct fixture *f = *state;

	add(f, "db", NULL);
	add(f, "web", "db");
	apply(f);
	fake_run(&f->fake, 1000);
	fake_behaviour(&f->fake, "web")->stop_takes_ms = 500;
	stop(f, NULL);
	fake_run(&f->fake, 400);
	assert_state(f, "db", SERVICE_RUNNING, true);
	fake_run(&f->fake, 1000);
	assert_state(f, "db", SERVICE_STOPPED, false);
	assert_true(trace_index(f, "web stopped") < trace_index(f, "db stopping"));
	assert_int_equal(f->done, 2);
	assert_int_equal(f->fake.keepers.len, 0);
}

static void test_stop_order_looks_through_what_has_crashed(void **state)
{
	struct fixture *f = *state;

	add(f, "db", NULL);
	add(f, "api", "db")->restart = PLAN_RESTART_NO;
	add(f, "web", "api");
	fake_behaviour(&f->fake, "api")->exit_after_ms = 2000;
	fake_behaviour(&f->fake, "api")->exit_code = 1;
	fake_behaviour(&f->fake, "web")->stop_takes_ms = 500;
	apply(f);
	fake_run(&f->fake, 4000);
	assert_state(f, "api", SERVICE_CRASHED, false);
	assert_state(f, "web", SERVICE_RUNNING, true);
	stop(f, NULL);
	fake_run(&f->fake, 400);
	assert_state(f, "api", SERVICE_STOPPED, false);
	assert_state(f, "db", SERVICE_RUNNING, true);
	fake_run(&f->fake, 1000);
	assert_state(f, "db", SERVICE_STOPPED, false);
	assert_true(trace_index(f, "web stopped") < trace_index(f, "db stopping"));
}

static void test_subset_brings_its_dependencies(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "db");
	add(f, "db", NULL);
	add(f, "other", NULL);
	apply_subset(f, "web", (struct apply_options){0});
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_state(f, "db", SERVICE_RUNNING, true);
	assert_state(f, "other", SERVICE_STOPPED, false);
	assert_int_equal(f->results.len, 2);
}

static void test_no_deps_starts_the_subset_alone(void **state)
{
	struct fixture *f = *state;

	add(f, "web", "db");
	add(f, "db", NULL);
	apply_subset(f, "web", (struct apply_options){.no_deps = true});
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_state(f, "db", SERVICE_STOPPED, false);
}

static void test_removed_services_are_stopped_and_forgotten(void **state)
{
	struct fixture *f = *state;
	struct service_snapshot snapshot;

	add(f, "web", NULL);
	add(f, "old", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	service_plan_release(&f->plans.items[1]);
	f->plans.len = 1;
	apply(f);
	fake_run(&f->fake, 1000);
	assert_false(supervisor_find(f->sup, "shop", "old", &snapshot));
	assert_null(fake_keeper(&f->fake, "old"));
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_oneshot_is_ready_when_completed(void **state)
{
	struct fixture *f = *state;
	struct service_plan *seed = add(f, "seed", NULL);

	seed->oneshot = true;
	seed->has_port = false;
	add(f, "web", "seed");
	f->plans.items[1].deps.items[0].condition = DEP_COMPLETED;
	fake_behaviour(&f->fake, "seed")->exit_after_ms = 200;
	apply(f);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_WAITING, false);
	fake_run(&f->fake, 1000);
	assert_state(f, "seed", SERVICE_EXITED, true);
	assert_state(f, "web", SERVICE_RUNNING, true);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_result(f, "seed unchanged");
	assert_int_equal(f->fake.starts, 2);
}

static void test_prepare_and_stop_during_it(void **state)
{
	struct fixture *f = *state;
	cleanup(strv_release) struct strv argv = STRV_INIT;

	strv_add(&argv, "locald-shim");
	add(f, "web", NULL)->needs_prepare = true;
	add(f, "db", NULL);
	apply(f);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_PREPARING, false);
	assert_state(f, "db", SERVICE_RUNNING, true);
	assert_int_equal(f->done, 0);

	stop(f, "web");
	fake_run(&f->fake, 10);
	assert_state(f, "web", SERVICE_STOPPED, false);
	assert_int_equal(f->cancelled_token, f->prepare_token);
	assert_int_equal(f->done, 2);
	assert_result(f, "web: called off by a later command");
	assert_result(f, "db ok");
	/* The job's answer comes too late and changes nothing. */
	supervisor_prepared(f->sup, f->prepare_token, &argv, NULL, NULL);
	fake_run(&f->fake, 100);
	assert_state(f, "web", SERVICE_STOPPED, false);

	apply(f);
	fake_run(&f->fake, 100);
	supervisor_prepared(f->sup, f->prepare_token, &argv, NULL, NULL);
	fake_run(&f->fake, 1000);
	assert_state(f, "web", SERVICE_RUNNING, true);
}

static void test_operations_queue_and_the_last_one_wins(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	add(f, "web", NULL);
	fake_behaviour(&f->fake, "web")->ready_after_ms = 500;
	apply(f);
	assert_int_equal(f->done, 0);
	fake_run(&f->fake, 100);
	assert_true(supervisor_restart(f->sup, "shop", NULL, on_done, f, &err) > 0);
	stop(f, NULL);
	apply(f);
	stop(f, NULL);
	fake_run(&f->fake, 5000);
	assert_int_equal(f->done, 5);
	assert_state(f, "web", SERVICE_STOPPED, false);
	assert_int_equal(f->fake.keepers.len, 0);
	apply(f);
	fake_run(&f->fake, 5000);
	assert_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(f->fake.keepers.len, 1);
}

static void test_cancel_keeps_what_runs(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	add(f, "db", NULL);
	add(f, "web", "db");
	fake_behaviour(&f->fake, "db")->ready_after_ms = 1000;
	id = apply(f);
	fake_run(&f->fake, 500);
	supervisor_cancel(f->sup, id);
	fake_run(&f->fake, 2000);
	assert_int_equal(f->done, 1);
	assert_state(f, "db", SERVICE_RUNNING, true);
	assert_state(f, "web", SERVICE_STOPPED, false);
	assert_result(f, "web: called off by a later command");
}

static void test_unknown_names_and_cycles_do_nothing(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv subset = STRV_INIT;
	struct apply_options options = {.subset = &subset};

	add(f, "a", "b");
	add(f, "b", "a");
	strv_add(&subset, "nosuch");
	assert_true(supervisor_apply(f->sup, "shop", f->plans.items, 2, &options, on_done, f,
	                             &err) == 0);
	assert_string_equal(err.text, "services depend on each other: a -> b -> a");
	assert_true(supervisor_apply(f->sup, "shop", f->plans.items, 0, &options, on_done, f,
	                             &err) == 0);
	assert_string_equal(err.text, "no such service nosuch");
	assert_true(supervisor_stop(f->sup, "shop", &subset, on_done, f, &err) == 0);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(supervisor_each(f->sup, NULL, NULL, NULL), 0);
}

/* As a user with several terminals: whatever happens, one process a service, and it ends. */
static void test_random_operations_end_in_the_last_ones_state(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	unsigned int seed = 1;

	add(f, "db", NULL);
	add(f, "api", "db");
	add(f, "web", "api");
	for (int i = 0; i < 3; i++) {
		fake_behaviour(&f->fake, f->plans.items[i].name)->ready_after_ms = 40;
		fake_behaviour(&f->fake, f->plans.items[i].name)->stop_takes_ms = 30;
	}
	apply(f);
	fake_run(&f->fake, 1);
	for (int round = 0; round < 2000; round++) {
		const char *only =
			rand_r(&seed) % 2 ? NULL : f->plans.items[rand_r(&seed) % 3].name;
		cleanup(strv_release) struct strv subset = STRV_INIT;

		if (only)
			strv_add(&subset, only);
		switch (rand_r(&seed) % 4) {
		case 0:
			apply_subset(f, only,
			             (struct apply_options){.force_restart = round % 7 == 0});
			break;
		case 1:
			stop(f, only);
			break;
		case 2:
			(void)supervisor_restart(f->sup, "shop", &subset, on_done, f, &err);
			break;
		default:
			fake_run(&f->fake, rand_r(&seed) % 100);
		}
		for (int i = 0; i < 3; i++) {
			int count = 0;

			array_foreach(keeper, &f->fake.keepers)
				count += str_eq((*keeper)->name, f->plans.items[i].name);
			assert_true(count <= 1);
		}
	}
	apply(f);
	fake_run(&f->fake, 600000);
	for (int i = 0; i < 3; i++)
		assert_state(f, f->plans.items[i].name, SERVICE_RUNNING, true);
	stop(f, NULL);
	fake_run(&f->fake, 10000);
	assert_int_equal(f->fake.keepers.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dependencies_are_ready_first),
		TEST(test_branches_start_in_parallel),
		TEST(test_unchanged_is_left_alone_and_changed_restarts),
		TEST(test_a_changed_dependency_is_ready_before_its_dependent_restarts),
		TEST(test_a_restart_of_one_leaves_the_others),
		TEST(test_stop_is_in_reverse_order),
		TEST(test_stop_order_looks_through_what_has_crashed),
		TEST(test_subset_brings_its_dependencies),
		TEST(test_no_deps_starts_the_subset_alone),
		TEST(test_removed_services_are_stopped_and_forgotten),
		TEST(test_oneshot_is_ready_when_completed),
		TEST(test_prepare_and_stop_during_it),
		TEST(test_operations_queue_and_the_last_one_wins),
		TEST(test_cancel_keeps_what_runs),
		TEST(test_unknown_names_and_cycles_do_nothing),
		TEST(test_random_operations_end_in_the_last_ones_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
