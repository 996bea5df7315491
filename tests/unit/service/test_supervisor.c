#include "fake_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
	struct fake_world fake;
	struct supervisor *sup;
	ARRAY(struct service_plan) plans;
	struct strv trace;   /* "db starting", "web running ready", … */
	struct strv results; /* "web ok", "web failed: …" */
	int done;
	uint64_t prepare_token, cancelled_token;
	int port_events;
};

static void on_state(const char *project, const struct service_snapshot *service, void *data)
{
	struct fixture *f = data;
	cleanup_free char *line =
		xasprintf("%s %s%s", service->plan->name, service_state_name(service->state),
	                  service->ready ? " ready" : "");

	if (f->trace.len == 0 || !str_eq(f->trace.items[f->trace.len - 1], line))
		strv_add(&f->trace, line);
}

static void on_prepare(const char *project, const struct service_plan *plan, uint64_t token,
                       void *data)
{
	((struct fixture *)data)->prepare_token = token;
}

static void on_cancel_prepare(uint64_t token, void *data)
{
	((struct fixture *)data)->cancelled_token = token;
}

static void on_ports(const char *project, void *data)
{
	((struct fixture *)data)->port_events++;
}

static const struct supervisor_events events = {on_state, on_prepare, on_cancel_prepare, on_ports};

static void on_done(uint64_t operation, const struct service_result *results, size_t count,
                    void *data)
{
	struct fixture *f = data;

	f->done++;
	for (size_t i = 0; i < count; i++) {
		if (results[i].err.code)
			strv_addf(&f->results, "%s: %s", results[i].service, results[i].err.text);
		else
			strv_addf(&f->results, "%s %s", results[i].service,
			          results[i].was_changed ? "ok" : "unchanged");
	}
}

static char *path_of(const char *project, const char *service, void *data)
{
	return xasprintf("/nowhere/%s/%s", project, service);
}

static const struct supervisor_paths paths = {.keeper = path_of, .log_dir = path_of};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	fake_init(&f->fake);
	f->sup = supervisor_new(&f->fake.world, &paths, &events, f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	supervisor_free(f->sup);
	fake_release(&f->fake);
	array_foreach(plan, &f->plans)
		service_plan_release(plan);
	array_release(&f->plans);
	strv_release(&f->trace);
	strv_release(&f->results);
	free(f);
	return 0;
}

/* Adds a service on a port; each dep is "name" and must be ready. */
static struct service_plan *add(struct fixture *f, const char *name, const char *dep)
{
	struct service_plan *plan = array_add(&f->plans);

	service_plan_init(plan, name);
	strv_add(&plan->argv, "true");
	plan->fingerprint = xstrdup("1");
	plan->has_port = true;
	plan->port = 4000 + (int)f->plans.len;
	if (dep)
		*array_add(&plan->deps) = (struct plan_dep){xstrdup(dep), DEP_READY};
	return plan;
}

static struct service_plan *plan_of(struct fixture *f, const char *name)
{
	array_foreach(plan, &f->plans)
		if (str_eq(plan->name, name))
			return plan;
	return NULL;
}

static uint64_t apply_subset(struct fixture *f, const char *only, struct apply_options options)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv subset = STRV_INIT;
	uint64_t id;

	if (only)
		strv_add(&subset, only);
	options.subset = &subset;
	strv_release(&f->results);
	strv_release(&f->trace);
	id = supervisor_apply(f->sup, "shop", f->plans.items, f->plans.len, &options, on_done, f,
	                      &err);
	if (id == 0)
		fail_msg("%s", err.text);
	return id;
}

static uint64_t apply(struct fixture *f)
{
	return apply_subset(f, NULL, (struct apply_options){0});
}

static void stop(struct fixture *f, const char *only)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv subset = STRV_INIT;

	if (only)
		strv_add(&subset, only);
	strv_release(&f->trace);
	assert_true(supervisor_stop(f->sup, "shop", &subset, on_done, f, &err) > 0);
}

static void assert_state(struct fixture *f, const char *name, enum service_state want, bool ready)
{
	struct service_snapshot snapshot;

	assert_true(supervisor_find(f->sup, "shop", name, &snapshot));
	if (snapshot.state != want || snapshot.ready != ready)
		fail_msg("%s is %s%s (%s)", name, service_state_name(snapshot.state),
		         snapshot.ready ? " ready" : "", snapshot.detail ? snapshot.detail : "");
}

static struct service_snapshot find(struct fixture *f, const char *name)
{
	struct service_snapshot snapshot = {0};

	assert_true(supervisor_find(f->sup, "shop", name, &snapshot));
	return snapshot;
}

static size_t trace_index(const struct fixture *f, const char *line)
{
	for (size_t i = 0; i < f->trace.len; i++)
		if (str_eq(f->trace.items[i], line))
			return i;
	fail_msg("\"%s\" never happened", line);
	return 0;
}

static void assert_result(const struct fixture *f, const char *line)
{
	if (strv_has(&f->results, line))
		return;
	for (size_t i = 0; i < f->results.len; i++)
		print_message("result: %s\n", f->results.items[i]);
	fail_msg("no result \"%s\"", line);
}

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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dependencies_are_ready_first),
		TEST(test_branches_start_in_parallel),
		TEST(test_unchanged_is_left_alone_and_changed_restarts),
		TEST(test_a_changed_dependency_is_ready_before_its_dependent_restarts),
		TEST(test_stop_is_in_reverse_order),
		TEST(test_subset_brings_its_dependencies),
		TEST(test_no_deps_starts_the_subset_alone),
		TEST(test_removed_services_are_stopped_and_forgotten),
		TEST(test_back_off_grows_and_a_stable_run_resets_it),
		TEST(test_up_fails_when_a_service_keeps_crashing),
		TEST(test_what_cannot_be_executed_is_not_tried_again),
		TEST(test_restart_policy_no_and_max),
		TEST(test_oneshot_is_ready_when_completed),
		TEST(test_never_ready_times_out_but_lives),
		TEST(test_wrong_port_is_followed_with_the_fix),
		TEST(test_a_stranger_is_not_readiness),
		TEST(test_taken_port_is_refused_before_a_start),
		TEST(test_a_keeper_that_cannot_start_fails_the_service),
		TEST(test_liveness_marks_unhealthy_and_back),
		TEST(test_prepare_and_stop_during_it),
		TEST(test_failed_prepare_keeps_its_reason),
		TEST(test_operations_queue_and_the_last_one_wins),
		TEST(test_cancel_keeps_what_runs),
		TEST(test_unknown_names_and_cycles_do_nothing),
		TEST(test_adopt_finds_a_living_keeper),
		TEST(test_adopt_goes_on_with_a_crash_and_a_stop),
		TEST(test_adopt_finishes_a_stop),
		TEST(test_adopt_leaves_a_completed_oneshot),
		TEST(test_a_lost_keeper_is_not_guessed_about),
		TEST(test_blocked_until_applied),
		TEST(test_a_worker_that_dies_at_once_fails_up),
		TEST(test_random_operations_end_in_the_last_ones_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
