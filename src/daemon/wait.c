#include "daemon/wait.h"

#include "base/error.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "daemon/status.h"
#include "loop/loop.h"
#include "net/http_server.h"

enum outlook { PENDING, HOLDS, HOPELESS };

typedef enum outlook look_fn(const struct service_snapshot *service);

struct wait {
	struct daemon *daemon;
	struct http_exchange *x;
	char *root;
	struct strv services, told; /* told: "name state", the last event that was sent of each */
	look_fn *look;
	struct loop_source *timer; /* NULL: no limit */
};

/* --- the conditions --- */

static bool keeps_crashing(const struct service_snapshot *service)
{
	return service->state == SERVICE_CRASHED &&
	       (service->next_try_ms < 0 || service->restarts >= CRASHES_FOR_FAILURE);
}

static bool is_success(const struct service_snapshot *service)
{
	return service->state == SERVICE_EXITED && service->last_exit.is_known &&
	       service_plan_is_success(service->plan, service->last_exit.code);
}

static enum outlook look_ready(const struct service_snapshot *service)
{
	if (service->ready)
		return HOLDS;
	return keeps_crashing(service) || service->state == SERVICE_BLOCKED ||
	                       service->state == SERVICE_EXITED
	               ? HOPELESS
	               : PENDING;
}

/* Ready, and not in the middle of being stopped. */
static enum outlook look_healthy(const struct service_snapshot *service)
{
	enum outlook outlook = look_ready(service);

	if (outlook == HOLDS && service->state != SERVICE_RUNNING && !is_success(service))
		return PENDING;
	return outlook;
}

static enum outlook look_started(const struct service_snapshot *service)
{
	if (service->state == SERVICE_RUNNING || service->state == SERVICE_UNHEALTHY ||
	    is_success(service))
		return HOLDS;
	return keeps_crashing(service) || service->state == SERVICE_BLOCKED ? HOPELESS : PENDING;
}

static enum outlook look_stopped(const struct service_snapshot *service)
{
	bool is_down = service->state == SERVICE_EXITED || service->state == SERVICE_BLOCKED ||
	               (service->state == SERVICE_STOPPED && !service->wanted) ||
	               (service->state == SERVICE_CRASHED && service->next_try_ms < 0);

	return is_down ? HOLDS : PENDING;
}

static enum outlook look_completed(const struct service_snapshot *service)
{
	if (is_success(service))
		return HOLDS;
	return keeps_crashing(service) || service->state == SERVICE_BLOCKED ||
	                       service->state == SERVICE_EXITED
	               ? HOPELESS
	               : PENDING;
}

static const struct {
	const char *name;
	look_fn *look;
} conditions[] = {
	{"completed", look_completed}, {"healthy", look_healthy}, {"ready", look_ready},
	{"started", look_started},     {"stopped", look_stopped},
};

/* --- looking --- */

/* Deeper than any chain: plans are checked for cycles before they get here. */
static bool waits_in_vain(const struct wait *wait, const struct project *project,
                          const struct service_snapshot *service)
{
	if (service->state != SERVICE_WAITING)
		return keeps_crashing(service) || service->state == SERVICE_BLOCKED;
	array_foreach(dep, &service->plan->deps) {
		struct service_snapshot on;

		if (supervisor_find(wait->daemon->supervisor, project->id, dep->name, &on) &&
		    !on.ready && waits_in_vain(wait, project, &on))
			return true;
	}
	return false;
}

/* It went down while somebody waits for it to be up. */
static bool was_stopped(const struct wait *wait, const struct service_snapshot *service)
{
	const char *before = strv_env_get(&wait->told, service->plan->name);

	return before && !str_eq(before, service_state_name(SERVICE_STOPPED)) &&
	       service->state == SERVICE_STOPPED && !service->wanted;
}

static void tell(struct wait *wait, const struct project *project,
                 const struct service_snapshot *service)
{
	const char *name = service->plan->name;
	cleanup_free char *now = xasprintf("%s%s", service_state_name(service->state),
	                                   service->ready ? " ready" : "");
	const char *before = strv_env_get(&wait->told, name);

	if (before && str_eq(before, now))
		return;
	strv_env_set(&wait->told, name, now);
	reply_line(wait->x, status_event(project, service));
}

static enum outlook look_at(struct wait *wait, const struct project *project, const char *name,
                            struct error *err)
{
	struct service_snapshot service;
	enum outlook outlook;
	bool is_down;

	if (!supervisor_find(wait->daemon->supervisor, project->id, name, &service))
		return PENDING;
	is_down = was_stopped(wait, &service);
	tell(wait, project, &service);
	outlook = wait->look(&service);
	if (outlook == PENDING && wait->look != look_stopped) {
		bool is_waiting = service.state == SERVICE_WAITING;

		if (is_down || (is_waiting && waits_in_vain(wait, project, &service)))
			outlook = HOPELESS;
	}
	if (outlook == HOPELESS)
		error_set(err, ERR_FAILED, "%s is %s%s%s", name, service_state_name(service.state),
		          service.detail ? ": " : "", service.detail ? service.detail : "");
	return outlook;
}

static void wait_free(struct wait *wait)
{
	array_drop(&wait->daemon->waits, wait);
	loop_source_free(wait->timer);
	strv_release(&wait->services);
	strv_release(&wait->told);
	free(wait->root);
	free(wait);
}

/* err NULL: all of them are as they should be. */
static void finish(struct wait *wait, const struct error *err)
{
	daemon_routes_send(wait->daemon);
	reply_end(wait->x, reply_result(err, NULL));
	wait_free(wait);
}

static void look(struct wait *wait)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv names = STRV_INIT;
	const struct project *project = daemon_find_project_at(wait->daemon, wait->root);
	bool all = true;

	if (!project)
		return;
	strv_copy(&names, &wait->services);
	/* Not in these plans (yet): the next `up` may bring it. */
	if (project_resolve(project, &names, &err) < 0)
		return;
	for (size_t i = 0; i < names.len; i++) {
		enum outlook outlook = look_at(wait, project, names.items[i], &err);

		if (outlook == HOPELESS) {
			error_hint(&err, "locald why %s", names.items[i]);
			finish(wait, &err);
			return;
		}
		all &= outlook == HOLDS;
	}
	if (all)
		finish(wait, NULL);
}

void waits_on_state(struct daemon *daemon)
{
	for (size_t i = daemon->waits.len; i-- > 0;)
		look(daemon->waits.items[i]);
}

static void on_timeout(struct loop_source *source, void *data)
{
	struct wait *wait = data;
	cleanup(error_release) struct error err = ERROR_INIT;

	error_set(&err, ERR_TIMEOUT, "it did not happen in time");
	finish(wait, &err);
}

/* --- the beginning --- */

static void on_client_gone(struct http_exchange *x, void *data)
{
	wait_free(data);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

static int read_condition(struct wait *wait, const char *name, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
		if (str_eq(conditions[i].name, name))
			wait->look = conditions[i].look;
	if (wait->look)
		return 0;
	return error_set(err, ERR_USAGE, "for: no such condition: %s", name);
}

static int read_request(struct wait *wait, const json_t *request, struct error *err)
{
	int64_t timeout_ms = json_get_int(request, "timeout_ms", -1);
	const char *root;

	if (json_need_str(request, "root", &root, err) < 0 ||
	    json_to_strv(json_object_get(request, "services"), "services", &wait->services, err) <
	            0 ||
	    read_condition(wait, json_get_str(request, "for", "ready"), err) < 0)
		return -1;
	if (wait->services.len == 0)
		return error_set(err, ERR_USAGE, "\"services\" is empty");
	wait->root = xstrdup(root);
	if (timeout_ms >= 0)
		wait->timer = loop_add_timer(wait->daemon->loop, timeout_ms, on_timeout, wait);
	return 0;
}

void wait_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct wait *wait = xcalloc(1, sizeof(*wait));

	wait->daemon = daemon;
	wait->x = x;
	*array_add(&daemon->waits) = wait;
	if (read_request(wait, request, &err) < 0) {
		reply_error(x, &err, NULL);
		wait_free(wait);
		return;
	}
	http_exchange_watch(x, &exchange_callbacks, wait);
	reply_stream_begin(x);
	look(wait);
}

void waits_release(struct daemon *daemon)
{
	while (daemon->waits.len > 0)
		wait_free(daemon->waits.items[0]);
	array_release(&daemon->waits);
}
