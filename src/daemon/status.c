#include "daemon/status.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/version.h"
#include "daemon/daemon.h"
#include "daemon/live.h"
#include "daemon/proxy_worker.h"
#include "daemon/service_watch.h"
#include "daemon/usage.h"

#include <unistd.h>

static const char *health_name(const struct service_plan *plan)
{
	/* What is to end is not asked. */
	if (plan->oneshot)
		return "none";
	switch (plan->health.kind) {
	case PLAN_HEALTH_TCP:
		return "tcp";
	case PLAN_HEALTH_HTTP:
		return "http";
	case PLAN_HEALTH_COMMAND:
		return "command";
	case PLAN_HEALTH_LOG:
		return "log";
	case PLAN_HEALTH_NOTIFY:
		return "notify";
	case PLAN_HEALTH_DEFAULT:
		break;
	}
	return plan->has_port ? "tcp" : "none";
}

static json_t *exit_to_json(const struct service_snapshot *service)
{
	const struct service_exit *last = &service->last_exit;
	json_t *object;

	if (!last->is_known)
		return json_null();
	object = json_object();
	json_set_int(object, "code", last->code);
	json_set_int(object, "signal", last->signal);
	json_set_bool(object, "killed", last->killed);
	if (last->killed_count > 0)
		json_set_int(object, "killed_count", last->killed_count);
	json_set_int(object, "run_ms", last->run_ms);
	json_set_int(object, "ago_ms", last->ago_ms);
	return object;
}

static void set_number_or_null(json_t *object, const char *key, int64_t value)
{
	if (value > 0)
		json_set_int(object, key, value);
	else
		json_object_set_new(object, key, json_null());
}

static void set_times(json_t *object, const struct service_snapshot *service)
{
	char since[CLOCK_TEXT_SIZE];

	if (service->age_ms < 0 || service->pid <= 0) {
		json_object_set_new(object, "since", json_null());
		json_object_set_new(object, "uptime_ms", json_null());
		return;
	}
	clock_format_utc(service->started_real_ns, since);
	json_set_str(object, "since", since);
	json_set_int(object, "uptime_ms", service->age_ms);
}

static json_t *depends_on(const struct service_plan *plan)
{
	json_t *names = json_array();

	array_foreach(dep, &plan->deps)
		json_array_append_new(names, json_string(dep->name));
	return names;
}

static void set_usage(json_t *object, const struct service_snapshot *service)
{
	struct usage usage;

	if (service->pid <= 0 || service->root <= 0)
		return;
	usage = usage_of(service->root, service->pid);
	json_set_int(object, "cpu_ms", usage.cpu_ms);
	json_set_int(object, "memory_bytes", usage.memory_bytes);
}

static json_t *service_to_status(const struct daemon *daemon, const struct project *project,
                                 const struct service_extra *extra,
                                 const struct service_snapshot *service)
{
	cleanup_free char *url =
		service_url(extra, daemon->proxy ? proxy_worker_port(daemon->proxy) : 0);
	const struct service_plan *plan = service->plan;
	bool is_building = strv_has(&project->building, plan_service(plan));
	json_t *object = json_object(), *health = json_object(), *warnings = json_array();

	json_set_str(object, "name", plan->name);
	if (plan->group)
		json_set_str(object, "replica_of", plan->group);
	json_set_str(object, "mode", plan->mode == PLAN_CONTAINER ? "container" : "host");
	json_set_str(object, "state",
	             is_building ? "building" : service_state_name(service->state));
	json_set_bool(object, "ready", service->ready);
	if (service->detail)
		json_set_str(object, "detail", service->detail);
	json_set_str(health, "kind", health_name(plan));
	json_set_bool(health, "ok", service->ready && service->state == SERVICE_RUNNING);
	if (service->ready && service->probe_ms >= 0)
		json_set_int(health, "ms", service->probe_ms);
	json_object_set_new(object, "health", health);
	set_number_or_null(object, "pid", service->pid);
	json_set_int(object, "run", service->run);
	set_times(object, service);
	json_set_int(object, "restarts", service->restarts);
	if (plan->max_restarts > 0)
		json_set_int(object, "max_restarts", plan->max_restarts);
	if (service->restarts > 1)
		json_set_int(object, "crashing_ms", service->crashing_ms);
	if (service->overdue_ms > 0)
		json_set_int(object, "overdue_ms", service->overdue_ms);
	json_object_set_new(object, "last_exit", exit_to_json(service));
	if (service->last_lines)
		json_object_set_new(object, "last_lines", json_from_strv(service->last_lines));
	if (service->next_run_real_ns > 0) {
		char next[CLOCK_TEXT_SIZE];

		clock_format_utc(service->next_run_real_ns, next);
		json_set_str(object, "next_run", next);
	}
	if (service->next_try_ms >= 0)
		json_set_int(object, "next_try_ms", service->next_try_ms);
	if (service->is_degraded)
		json_set_bool(object, "degraded", true);
	if (service->dropped_bytes > 0 || service->is_log_full) {
		json_set_bool(object, "log_full", service->is_log_full);
		json_set_int(object, "log_dropped_bytes", (int64_t)service->dropped_bytes);
	}
	set_number_or_null(object, "port", plan->port);
	set_number_or_null(object, "observed_port", service->port);
	json_set_str(object, "url", url);
	if (service->warning)
		json_array_append_new(warnings, json_string(service->warning));
	for (size_t i = 0; i < extra->warnings.len; i++)
		json_array_append_new(warnings, json_string(extra->warnings.items[i]));
	service_watch_to_status(daemon, project->id, plan, object, warnings);
	json_object_set_new(object, "warnings", warnings);
	json_object_set_new(object, "depends_on", depends_on(plan));
	return object;
}

json_t *status_of_project(struct daemon *daemon, const struct project *project, bool with_usage)
{
	json_t *object = json_object(), *services = json_array();

	json_set_str(object, "id", project->id);
	json_set_str(object, "name", project->name);
	json_set_str(object, "root", project->root);
	json_set_str(object, "domain", project->domain);
	array_foreach(plan, &project->plans) {
		size_t i = array_index(&project->plans, plan);
		struct service_snapshot service;
		json_t *status;

		if (!supervisor_find(daemon->supervisor, project->id, plan->name, &service))
			continue;
		status = service_to_status(daemon, project, &project->extras.items[i], &service);
		if (with_usage)
			set_usage(status, &service);
		json_array_append_new(services, status);
	}
	json_object_set_new(object, "services", services);
	live_to_status(daemon, project, object);
	return object;
}

static json_t *daemon_to_json(const struct daemon *daemon)
{
	json_t *object = json_object(), *proxy = json_object();
	char started[CLOCK_TEXT_SIZE];

	clock_format_utc(daemon->started_real_ns, started);
	json_set_str(object, "version", locald_version);
	json_set_int(object, "pid", getpid());
	json_set_str(object, "started", started);
	json_set_int(object, "uptime_ms", (clock_boot_ns() - daemon->started_boot_ns) / 1000000);
	if (daemon->proxy) {
		json_set_int(proxy, "port", proxy_worker_port(daemon->proxy));
		json_set_int(proxy, "pid", proxy_worker_pid(daemon->proxy));
	}
	json_object_set_new(object, "proxy", proxy);
	if (live_polls_because(daemon))
		json_set_str(object, "polls_because", live_polls_because(daemon));
	return object;
}

static void note_live(const char *project, const struct service_snapshot *service, void *data)
{
	*(bool *)data |= service_state_is_live(service->state);
}

/* A folder that was deleted, and nothing runs any more. */
static bool is_gone(struct daemon *daemon, const struct project *project)
{
	bool is_live = false;

	if (fs_exists(project->root))
		return false;
	supervisor_each(daemon->supervisor, project->id, note_live, &is_live);
	return !is_live;
}

json_t *status_make(struct daemon *daemon, const char *root, bool with_usage)
{
	json_t *object = json_object(), *projects = json_array();

	json_set_int(object, "schema", 1);
	json_object_set_new(object, "daemon", daemon_to_json(daemon));
	array_foreach(project, &daemon->projects) {
		if (root ? !str_eq((*project)->root, root) : is_gone(daemon, *project))
			continue;
		json_array_append_new(projects, status_of_project(daemon, *project, with_usage));
	}
	json_object_set_new(object, "projects", projects);
	return object;
}

json_t *status_event(const struct project *project, const struct service_snapshot *service)
{
	json_t *event = json_object();

	json_set_str(event, "event", "service");
	json_set_str(event, "project", project->name);
	json_set_str(event, "service", service->plan->name);
	json_set_str(event, "state", service_state_name(service->state));
	json_set_bool(event, "ready", service->ready);
	if (service->detail)
		json_set_str(event, "detail", service->detail);
	json_set_int(event, "pid", service->pid);
	json_set_int(event, "run", service->run);
	return event;
}
