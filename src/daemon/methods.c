#include "daemon/methods.h"

#include "api/daemon_start.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/version.h"
#include "daemon/container_run.h"
#include "daemon/context.h"
#include "daemon/daemon.h"
#include "daemon/detached.h"
#include "daemon/detached_removal.h"
#include "daemon/events.h"
#include "daemon/jobs.h"
#include "daemon/logs.h"
#include "daemon/project_op.h"
#include "daemon/reply.h"
#include "daemon/shutdown.h"
#include "daemon/status.h"
#include "daemon/wait.h"
#include "daemon/why.h"
#include "net/http_server.h"

#include <unistd.h>

struct call {
	const char *target; /* "/v1/logs?root=…" */
	const json_t *body; /* an object; empty for GET */
};

typedef void method_fn(struct daemon *daemon, struct http_exchange *x, const struct call *call);

static void ping(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	json_t *object = json_object();

	json_set_str(object, "version", locald_version);
	json_set_int(object, "api", DAEMON_API_VERSION);
	json_set_int(object, "pid", getpid());
	reply_json(x, 200, object);
}

static void status(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	cleanup_free char *root = http_target_query(call->target, "root");

	cleanup_free char *usage = http_target_query(call->target, "usage");

	reply_json(x, 200, status_make(daemon, root, usage && str_eq(usage, "1")));
}

static void events(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	cleanup_free char *root = http_target_query(call->target, "root");

	events_begin(daemon, x, root);
}

static void up(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	project_op_up(daemon, x, call->body);
}

static void run(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	project_op_run(daemon, x, call->body);
}

static void container(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	container_run_begin(daemon, x, call->body);
}

static void containers(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	detached_list(daemon, x);
}

static void remove_container(struct daemon *daemon, struct http_exchange *x,
                             const struct call *call)
{
	detached_remove(daemon, x, call->body);
}

static void start_container(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	detached_start(daemon, x, call->body);
}

static void context(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	context_reply(daemon, x, call->target);
}

static void wait_for(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	wait_begin(daemon, x, call->body);
}

static void why(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	why_reply(daemon, x, call->target);
}

static void stop(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	project_op_stop(daemon, x, call->body);
}

static void restart(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	project_op_restart(daemon, x, call->body);
}

static void logs(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	logs_begin(daemon, x, call->target);
}

static void jobs(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	jobs_begin(daemon, x, call->body);
}

static void shutdown_all(struct daemon *daemon, struct http_exchange *x, const struct call *call)
{
	shutdown_begin(daemon, x, call->body);
}

static const struct method {
	const char *verb, *path;
	method_fn *fn;
} methods[] = {
	{"GET", "/v1/containers", containers},
	{"GET", "/v1/context", context},
	{"GET", "/v1/events", events},
	{"GET", "/v1/logs", logs},
	{"GET", "/v1/ping", ping},
	{"GET", "/v1/status", status},
	{"GET", "/v1/why", why},
	{"POST", "/v1/container", container},
	{"POST", "/v1/container/remove", remove_container},
	{"POST", "/v1/container/start", start_container},
	{"POST", "/v1/jobs", jobs},
	{"POST", "/v1/restart", restart},
	{"POST", "/v1/run", run},
	{"POST", "/v1/shutdown", shutdown_all},
	{"POST", "/v1/stop", stop},
	{"POST", "/v1/up", up},
	{"POST", "/v1/wait", wait_for},
};

static void refuse(struct http_exchange *x, int status_code, const char *text)
{
	json_t *error = json_pack("{s:{s:s, s:s}}", "error", "code", "usage", "text", text);

	reply_json(x, status_code, error);
}

static const struct method *find_method(const char *verb, const char *path, bool *ret_has_path)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (!str_eq(methods[i].path, path))
			continue;
		*ret_has_path = true;
		if (str_eq(methods[i].verb, verb))
			return &methods[i];
	}
	return NULL;
}

void methods_dispatch(struct http_exchange *x, const struct http_request *request, void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *target = http_target(request->head);
	cleanup_free char *path = http_target_path(target);
	cleanup_json json_t *body = NULL;
	const struct method *method;
	bool has_path = false;
	struct call call;

	if (request->peer_uid != geteuid()) {
		refuse(x, 403, "this daemon serves another user");
		return;
	}
	method = path ? find_method(request->head->method, path, &has_path) : NULL;
	if (!method) {
		refuse(x, has_path ? 405 : 404, has_path ? "wrong method" : "no such path");
		return;
	}
	body = request->body_len > 0 ? json_parse(request->body, request->body_len, &err)
	                             : json_object();
	if (!json_is_object(body)) {
		refuse(x, 400, err.text ? err.text : "the body is not a JSON object");
		return;
	}
	daemon_routes_send(data);
	call = (struct call){target, body};
	method->fn(data, x, &call);
}
