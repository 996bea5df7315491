#include "service/supervisor_internal.h"

#define SEGMENT_MIN (INT64_C(128) << 10) /* more than the greatest record */
#define SEGMENT_MAX (INT64_C(64) << 20)

void service_end_failed_run(struct service *service, enum keeper_op how, char *reason)
{
	const struct supervisor_world *world = service->sup->world;

	free(service->end_reason);
	service->end_reason = reason;
	service->ready = false;
	readiness_end(service);
	(void)service_set_detail(service, "%s", reason);
	service_changed(service);
	world->keeper_command(service->keeper, how, world->data);
}

static void begin_stopping_itself(struct service *service)
{
	service->is_told_stopping = true;
	service->ready = false;
	readiness_end(service);
	(void)service_set_detail(service, "it is stopping by itself");
	service_changed(service);
}

/* What it says by sd_notify(3), which matters while it runs and nobody is ending it. */
static void take_notes(struct service *service, const struct keeper_status *status)
{
	const char *text = status->notify_text[0] ? status->notify_text : NULL;
	bool is_new = !str_eq_null(text, service->told_text);

	if (service->end_reason ||
	    (service->state != SERVICE_RUNNING && service->state != SERVICE_UNHEALTHY))
		return;
	if (is_new) {
		free(service->told_text);
		service->told_text = xstrdup_null(text);
	}
	service->extended_until_ms = (int64_t)(status->extend_us / 1000);
	if (status->watchdog_missed) {
		service_end_failed_run(service, KEEPER_KILL,
		                       xasprintf("no sign of life within %.1f s (watchdog)",
		                                 (double)status->watchdog_us / 1e6));
	} else if (status->notify_stopping && !service->is_told_stopping) {
		begin_stopping_itself(service);
	} else if (status->notify_ready && !service->is_told_ready &&
	           service->plan.health.kind != PLAN_HEALTH_LOG) {
		readiness_told(service);
	} else if (is_new) {
		service_changed(service);
	}
}

/* What the disk does not take is told when it begins and ends, and as it grows. */
static void take_drops(struct service *service, const struct keeper_status *status)
{
	if (service->is_log_full == status->log_full &&
	    service->dropped_bytes == status->dropped_bytes)
		return;
	service->is_log_full = status->log_full;
	service->dropped_bytes = status->dropped_bytes;
	service_changed(service);
}

static void set_degraded(struct service *service, bool is_degraded)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};

	if (service->is_degraded == is_degraded)
		return;
	service->is_degraded = is_degraded;
	free(take_ptr(service->run_mark));
	if (is_degraded) {
		service_keeper_spec(service, &spec);
		service->run_mark = keeper_run_mark(&spec);
	}
	service_changed(service);
}

static void on_keeper_status(const struct keeper_status *status, pid_t keeper, void *data)
{
	struct service *service = data;

	service->keeper_pid = keeper;
	service->pid = status->pid;
	service->start_ticks = status->start_ticks;
	service->started_real_ns = status->started_real_ns;
	if (status->run != service->run) {
		/* A run that we had not heard of: nothing is known of its configuration. */
		service->run = status->run;
		free(take_ptr(service->fingerprint));
	}
	if (!service->oom.dir)
		service->sup->world->oom_begin(&service->oom, keeper, service->sup->world->data);
	take_drops(service, status);
	set_degraded(service, status->degraded);
	if (status->state == KEEPER_RUNNING) {
		service_handle(service, EVENT_STARTED);
		take_notes(service, status);
	} else if (status->state == KEEPER_STOPPING && service->state != SERVICE_STOPPING &&
	           !service->end_reason) {
		if (service->state == SERVICE_STARTING) {
			service->is_found_stopping = true;
			service_handle(service, EVENT_STARTED);
		}
		readiness_end(service);
		service->ready = false;
		(void)service_set_detail(service, "its tree is being stopped");
		service_changed(service);
	}
}

/* It is without a keeper for a moment, and degraded from then on. */
static void on_keeper_lost(struct keeper_spec *ret, void *data)
{
	struct service *service = data;

	service_keeper_spec(service, ret);
	set_degraded(service, true);
}

static void on_keeper_gone(const struct service_exit *exit, const struct error *err, void *data)
{
	struct service *service = data;
	const struct supervisor_events *events = service->sup->events;

	if (err) {
		error_set(&service->failure, err->code, "%s", err->text);
		if (err->hint)
			error_hint(&service->failure, "%s", err->hint);
		service_handle(service, EVENT_START_FAILED);
		return;
	}
	service->last_exit = *exit;
	if (events->explain_end && exit->is_known && exit->code != 0 && !service->end_cause)
		service->end_cause = events->explain_end(service->project->id, &service->plan,
		                                         service->sup->data);
	service->exited_boot_ms = service->sup->world->boot_ms(service->sup->world->data);
	service_handle(service, EVENT_EXITED);
}

const struct keeper_events service_keeper_events = {
	.on_status = on_keeper_status,
	.on_lost = on_keeper_lost,
	.on_gone = on_keeper_gone,
};

/*
 * Eight segments, so that an eighth goes at a time; of a big log more, as finding a
 * place in one is reading it.
 */
static void cut_log(int64_t bytes, struct keeper_spec *spec)
{
	int64_t segment = bytes / 8;

	segment = segment < SEGMENT_MIN   ? SEGMENT_MIN
	          : segment > SEGMENT_MAX ? SEGMENT_MAX
	                                  : segment;
	spec->segment_bytes = (uint64_t)segment;
	spec->segment_count = (uint32_t)((bytes + segment - 1) / segment);
	if (spec->segment_count < 2)
		spec->segment_count = 2;
}

void service_keeper_spec(const struct service *service, struct keeper_spec *ret)
{
	const struct supervisor_paths *paths = &service->sup->paths;
	const struct service_plan *plan = &service->plan;
	cleanup_free char *stem = paths->keeper(service->project->id, plan->name, paths->data);

	*ret = (struct keeper_spec){
		.socket = xasprintf("%s.sock", stem),
		.log_dir = paths->log_dir(service->project->id, plan->name, paths->data),
		.service = xstrdup(plan->name),
		.run = service->run,
		.cwd = xstrdup(plan->cwd ? plan->cwd : "/"),
		.stop_signal = plan->stop_signal,
		.stop_timeout_ms = plan->stop_timeout_ms,
		.tty = plan->tty,
		.has_stdin = plan->has_stdin,
		/* A container has its own. */
		.has_cgroup = plan->mode == PLAN_HOST,
		.signals_leader = plan->mode == PLAN_CONTAINER,
		/* Its users have ids of their own. */
		.notify_shared = plan->mode == PLAN_CONTAINER,
	};
	cut_log(plan->log_bytes, ret);
	strv_copy(&ret->args, service->argv.len ? &service->argv : &plan->argv);
	strv_copy(&ret->env, service->env.len ? &service->env : &plan->env);
	strv_copy(&ret->stop_args, &plan->stop_argv);
	/* A container sees the socket where its bundle says, see daemon/prepare.c. */
	if (paths->notify)
		ret->notify = paths->notify(service->project->id, plan->name, paths->data);
}
