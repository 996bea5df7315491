#include "service/log_reader.h"
#include "service/supervisor_internal.h"

/* Seconds before the next try, by the number of crashes in a row. */
static const int backoff_s[] = {0, 1, 2, 4, 8, 16, 30};

#define LAST_LINES 5

static int64_t now_ms(const struct service *service)
{
	return service->sup->world->mono_ms(service->sup->world->data);
}

static void set_timer(struct service *service, int64_t delay_ms, timer_fn *fn)
{
	const struct supervisor_world *world = service->sup->world;

	service_clear_timers(service);
	service->timer = world->timer_add(delay_ms, fn, service, world->data);
}

void service_clear_timers(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	if (service->timer)
		world->timer_free(take_ptr(service->timer), world->data);
}

bool service_set_detail(struct service *service, const char *fmt, ...)
{
	cleanup_free char *old = take_ptr(service->detail);
	va_list args;

	if (fmt) {
		va_start(args, fmt);
		service->detail = xvasprintf(fmt, args);
		va_end(args);
	}
	return !str_eq_null(old, service->detail);
}

static void enter(struct service *service, enum service_state state)
{
	service->state = state;
	service_changed(service);
}

/* What belongs to one run, and ends with it. */
static void end_run(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	readiness_end(service);
	service_clear_timers(service);
	service->is_told_ready = service->is_told_stopping = service->is_port_stolen = false;
	service->extended_until_ms = 0;
	free(take_ptr(service->told_text));
	free(take_ptr(service->run_mark));
	if (service->keeper)
		world->keeper_free(take_ptr(service->keeper), world->data);
	service->keeper_pid = service->pid = 0;
	service->start_ticks = 0;
	service->ready = service->has_settled = service->is_overdue = false;
	service->is_found_stopping = false;
	service->port = service->other_port = service->inside_port = 0;
	service->is_ipv6_only = service->is_degraded = false;
	free(take_ptr(service->warning));
}

static void ignore(struct service *service)
{
}

static void wait_for_deps(struct service *service)
{
	service_clear_timers(service);
	service->has_next_try = false;
	service->ready = service->has_settled = false;
	error_release(&service->failure);
	(void)service_set_detail(service, NULL);
	strv_release(&service->last_lines);
	enter(service, SERVICE_WAITING);
}

static void add_next_run(struct service *service)
{
	cleanup_free char *next = schedule_text(service);
	cleanup_free char *before = service->detail ? xstrdup(service->detail) : NULL;

	if (next)
		(void)service_set_detail(service, "%s%s%s", next, before ? "; last: " : "",
		                         before ? before : "");
}

/* What was asked for by name runs now; the timer goes on as it is. */
static void arm(struct service *service)
{
	bool runs_now = service->runs_now;

	service->runs_now = false;
	if (!service_plan_is_job(&service->plan)) {
		wait_for_deps(service);
		return;
	}
	schedule_disarm(service);
	schedule_arm(service);
	if (runs_now) {
		wait_for_deps(service);
		return;
	}
	free(service->fingerprint);
	service->fingerprint = xstrdup_null(service->plan.fingerprint);
	error_release(&service->failure);
	(void)service_set_detail(service, NULL);
	add_next_run(service);
	service->ready = service->has_settled = true;
	enter(service, SERVICE_SCHEDULED);
}

static void skip_run(struct service *service)
{
	free(service->warning);
	service->warning = xasprintf("a run of %s was skipped: the one before was still going on",
	                             service->plan.name);
	service_changed(service);
}

static void hold(struct service *service)
{
	if (service_set_detail(service, "%s", service->failure.text))
		service_changed(service);
}

static void give_up(struct service *service)
{
	end_run(service);
	service->has_next_try = false;
	(void)service_set_detail(service, "%s", service->failure.text);
	enter(service, SERVICE_CRASHED);
}

static bool is_success(const struct service *service)
{
	return service->last_exit.is_known && service->last_exit.signal == 0 &&
	       !service->end_reason &&
	       service_plan_is_success(&service->plan, service->last_exit.code);
}

/* Does the policy ask for it, after the last exit? */
static bool wants_restart(const struct service *service)
{
	const struct service_plan *plan = &service->plan;

	/* A job that failed has its next run. */
	if (plan->restart == PLAN_RESTART_NO || service->is_removed || service_plan_is_job(plan))
		return false;
	return !is_success(service) || (plan->restart == PLAN_RESTART_ALWAYS && !plan->oneshot);
}

static bool has_restarts_left(const struct service *service)
{
	int max = service->plan.max_restarts;

	return max == 0 || service->crashes <= max;
}

static void on_retry(void *data)
{
	struct service *service = data;

	service_clear_timers(service);
	service_handle(service, EVENT_RETRY);
}

static void schedule_retry(struct service *service)
{
	size_t last = ARRAY_LEN(backoff_s) - 1;
	size_t step = service->crashes > 0 ? (size_t)service->crashes - 1 : 0;
	int64_t delay_ms = INT64_C(1000) * backoff_s[step < last ? step : last];

	service->has_next_try = true;
	service->next_try_at_ms = now_ms(service) + delay_ms;
	set_timer(service, delay_ms, on_retry);
}

/* How to get out of it: by the configuration, or as the world says. */
static void advise_on_port(struct service *service, struct error *err)
{
	const struct service_plan *plan = &service->plan;
	cleanup_free char *other = xstrdup(err->hint ? err->hint : "stop what holds it");

	error_move(&service->failure, err);
	if (plan->is_port_set)
		error_hint(&service->failure,
		           "remove `port = %d` at %s, so that locald picks one, or %s", plan->port,
		           plan->port_place ? plan->port_place : "its configuration", other);
	else
		error_hint(&service->failure, "%s, or `locald up %s` for another port", other,
		           plan->name);
}

/* What held the port when a crashed service is started again may be on its way out. */
static void refuse_port(struct service *service)
{
	bool is_restart = service->crashes > 0 && wants_restart(service);

	give_up(service);
	if (!is_restart)
		return;
	service->crashes++;
	if (has_restarts_left(service))
		schedule_retry(service);
	service_changed(service);
}

static void launch(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};
	cleanup(error_release) struct error err = ERROR_INIT;

	if (service->plan.has_port && service->plan.port > 0 &&
	    world->port_check(&service->plan, world->data, &err) < 0) {
		advise_on_port(service, &err);
		refuse_port(service);
		return;
	}
	/* The number is told, and saved, before there is a process that has it. */
	service->run++;
	free(service->fingerprint);
	service->fingerprint = xstrdup_null(service->plan.fingerprint);
	service->started_real_ns = service->ready_boot_ms = service->exited_boot_ms = 0;
	service->last_exit = (struct service_exit){0};
	free(take_ptr(service->end_reason));
	free(take_ptr(service->end_cause));
	(void)service_set_detail(service, NULL);
	enter(service, SERVICE_STARTING);
	service_keeper_spec(service, &spec);
	/* Before there is a process: it may not live long. */
	world->oom_begin(&service->oom, 0, world->data);
	service->keeper = world->keeper_start(&spec, &service_keeper_events, service, world->data,
	                                      &service->failure);
	if (!service->keeper)
		service_handle(service, EVENT_START_FAILED);
}

static void begin(struct service *service)
{
	const struct supervisor *sup = service->sup;

	if (!service->plan.needs_prepare) {
		strv_release(&service->argv);
		strv_release(&service->env);
		launch(service);
		return;
	}
	service->prepare_token = ++service->sup->last_token;
	(void)service_set_detail(service, NULL);
	enter(service, SERVICE_PREPARING);
	sup->events->prepare(service->project->id, &service->plan, service->prepare_token,
	                     sup->data);
}

static void drop_prepare(struct service *service)
{
	const struct supervisor *sup = service->sup;
	uint64_t token = service->prepare_token;

	service->prepare_token = 0;
	if (token)
		sup->events->cancel_prepare(token, sup->data);
}

/* What did not stop when it was told to. */
static void tell_killed(struct service *service)
{
	int count = service->last_exit.killed_count;

	if (count > 0)
		(void)service_set_detail(service, "%d process%s had to be killed, after %g s",
		                         count, count == 1 ? "" : "es",
		                         (double)service->plan.stop_timeout_ms / 1000);
}

static void rest(struct service *service)
{
	bool was_stopping = service->state == SERVICE_STOPPING;

	drop_prepare(service);
	schedule_disarm(service);
	end_run(service);
	service->has_next_try = false;
	error_release(&service->failure);
	(void)service_set_detail(service, NULL);
	if (was_stopping)
		tell_killed(service);
	enter(service, SERVICE_STOPPED);
}

static void keep_last_lines(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	const struct supervisor_paths *paths = &service->sup->paths;
	cleanup_free char *log_dir =
		paths->log_dir(service->project->id, service->plan.name, paths->data);

	strv_release(&service->last_lines);
	world->last_lines(log_dir, service->run, LAST_LINES, &service->last_lines, world->data);
}

static const char *what_is_missing(const struct service *service)
{
	switch (service->plan.health.kind) {
	case PLAN_HEALTH_LOG:
		return "no line of its log matches its pattern";
	case PLAN_HEALTH_NOTIFY:
		return "it has not said READY=1";
	case PLAN_HEALTH_DEFAULT:
	case PLAN_HEALTH_TCP:
	case PLAN_HEALTH_HTTP:
	case PLAN_HEALTH_COMMAND:
		break;
	}
	return "no answer";
}

static void on_overdue(void *data)
{
	struct service *service = data;

	service_clear_timers(service);
	if (service->ready)
		return;
	if (service->extended_until_ms > now_ms(service)) {
		set_timer(service, service->extended_until_ms - now_ms(service), on_overdue);
		return;
	}
	service->is_overdue = true;
	if (!service->detail)
		(void)service_set_detail(service, "%s", what_is_missing(service));
	keep_last_lines(service);
	service_changed(service);
}

static void on_settled(void *data)
{
	struct service *service = data;

	service_clear_timers(service);
	service->has_settled = true;
	service_changed(service);
}

static bool has_probe(const struct service_plan *plan)
{
	return !plan->oneshot && !service_plan_is_job(plan) &&
	       (plan->has_port || plan->health.kind != PLAN_HEALTH_DEFAULT);
}

static void mark_ready(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	service->ready = true;
	service->is_overdue = false;
	strv_release(&service->last_lines);
	service->ready_at_ms = now_ms(service);
	service->ready_boot_ms = world->boot_ms(world->data);
	(void)service_set_detail(service, NULL);
	if (has_probe(&service->plan)) {
		service_clear_timers(service);
		service->has_settled = true;
	} else {
		set_timer(service, SETTLE_MS, on_settled);
	}
	enter(service, SERVICE_RUNNING);
}

static void mark_unhealthy(struct service *service)
{
	service->ready = false;
	enter(service, SERVICE_UNHEALTHY);
	if (service->plan.health.restart && !service->end_reason)
		service_end_failed_run(service, KEEPER_STOP,
		                       xasprintf("unhealthy: %s", service->detail ?: "no answer"));
}

static void stop_keeper(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	readiness_end(service);
	service_clear_timers(service);
	service->ready = service->starts_after = service->blocks_after = false;
	(void)service_set_detail(service, NULL);
	enter(service, SERVICE_STOPPING);
	world->keeper_command(service->keeper, KEEPER_STOP, world->data);
}

static void run(struct service *service)
{
	const struct plan_health *health = &service->plan.health;

	/* Found alive after a restart of the daemon, but it was told to stop. */
	if (!service->wanted) {
		stop_keeper(service);
		return;
	}
	if (service_plan_is_job(&service->plan)) {
		service->ready = service->has_settled = true;
		enter(service, SERVICE_RUNNING);
		return;
	}
	if (service->plan.oneshot || has_probe(&service->plan)) {
		enter(service, SERVICE_RUNNING);
		if (service->plan.oneshot)
			return;
		if (health->start_period_ms > 0)
			set_timer(service, health->start_period_ms, on_overdue);
		readiness_begin(service);
		return;
	}
	mark_ready(service);
}

/* What a shell or the keeper says when there is nothing to run: trying again will not help. */
static bool cannot_run(const struct service *service, bool was_ready)
{
	const struct service_exit *exit = &service->last_exit;

	return exit->is_known && !was_ready && (exit->code == 127 || exit->code == 126);
}

static void complete(struct service *service)
{
	error_release(&service->failure);
	if (service->due) {
		add_next_run(service);
		service->ready = service->has_settled = true;
		enter(service, SERVICE_SCHEDULED);
		return;
	}
	service->ready = service->plan.oneshot;
	service->has_settled = true;
	enter(service, SERVICE_EXITED);
}

static void block(struct service *service)
{
	drop_prepare(service);
	schedule_disarm(service);
	end_run(service);
	service->wanted = service->has_next_try = service->blocks_after = false;
	if (!service->failure.code)
		error_set(&service->failure, ERR_NOT_APPROVED,
		          "not started again: the configuration is not approved");
	(void)service_set_detail(service, "%s", service->failure.text);
	enter(service, SERVICE_BLOCKED);
}

/* A daemon died between the two halves of a restart, or before it had started anything. */
static bool was_interrupted(const struct service *service)
{
	const struct service_exit *exit = &service->last_exit;

	return exit->never_began || (exit->requested && (service->state == SERVICE_STARTING ||
	                                                 service->is_found_stopping));
}

/* It ended by itself. */
static void settle(struct service *service)
{
	cleanup_free char *text = service_exit_text(service);
	bool was_ready =
		service->ready || service->state == SERVICE_UNHEALTHY || service->has_settled;

	if (!service->wanted) {
		rest(service);
		return;
	}
	if (service->is_held) {
		block(service);
		return;
	}
	if (was_interrupted(service)) {
		end_run(service);
		schedule_arm(service);
		wait_for_deps(service);
		return;
	}
	if (was_ready && now_ms(service) - service->ready_at_ms >= STABLE_MS)
		service->crashes = 0;
	end_run(service);
	(void)service_set_detail(service, "%s", text);
	/* After a restart of the daemon nothing has set its timer yet. */
	schedule_arm(service);
	if (is_success(service) && !wants_restart(service)) {
		complete(service);
		return;
	}
	service->last_crash_at_ms = now_ms(service);
	if (service->crashes++ == 0)
		service->first_crash_at_ms = service->last_crash_at_ms;
	service->has_next_try = false;
	if (wants_restart(service) && !has_restarts_left(service))
		(void)service_set_detail(service, "%s; given up after %d restart%s (max_restarts)",
		                         text, service->plan.max_restarts,
		                         service->plan.max_restarts == 1 ? "" : "s");
	else if (wants_restart(service) && !cannot_run(service, was_ready))
		schedule_retry(service);
	error_set(&service->failure, ERR_FAILED, "%s", service->detail);
	add_next_run(service);
	if (!is_success(service))
		keep_last_lines(service);
	enter(service, is_success(service) ? SERVICE_EXITED : SERVICE_CRASHED);
}

static void start_after(struct service *service)
{
	service->starts_after = true;
}

static void stay_down(struct service *service)
{
	service->starts_after = false;
}

static void rest_or_start(struct service *service)
{
	bool starts = service->starts_after;

	service->starts_after = false;
	if (service->blocks_after) {
		block(service);
		return;
	}
	rest(service);
	if (starts)
		service_handle(service, EVENT_START);
}

static void block_running(struct service *service)
{
	if (service->state != SERVICE_STOPPING)
		stop_keeper(service);
	service->starts_after = false;
	service->blocks_after = true;
}

typedef void action_fn(struct service *service);

static action_fn *const actions[SERVICE_ACTION_COUNT] = {
	[ACTION_IGNORE] = ignore,
	[ACTION_WAIT] = wait_for_deps,
	[ACTION_ARM] = arm,
	[ACTION_SKIP] = skip_run,
	[ACTION_HOLD] = hold,
	[ACTION_BEGIN] = begin,
	[ACTION_LAUNCH] = launch,
	[ACTION_GIVE_UP] = give_up,
	[ACTION_RUN] = run,
	[ACTION_MARK_READY] = mark_ready,
	[ACTION_MARK_UNHEALTHY] = mark_unhealthy,
	[ACTION_SETTLE] = settle,
	[ACTION_REST] = rest,
	[ACTION_CANCEL_PREPARE] = rest,
	[ACTION_STOP_KEEPER] = stop_keeper,
	[ACTION_START_AFTER] = start_after,
	[ACTION_STAY_DOWN] = stay_down,
	[ACTION_REST_OR_START] = rest_or_start,
	[ACTION_BLOCK] = block,
	[ACTION_BLOCK_RUNNING] = block_running,
};

void service_handle(struct service *service, enum service_event event)
{
	actions[service_action_for(service->state, event)](service);
}
