#include "daemon/project_op.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/testing.h"
#include "daemon/image_task.h"
#include "daemon/live.h"
#include "daemon/project_op_internal.h"
#include "daemon/reply.h"
#include "daemon/run.h"
#include "daemon/status.h"

static void on_client_gone(struct http_exchange *x, void *data);

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

struct project_op *project_op_new(struct daemon *daemon, struct http_exchange *x,
                                  const char *project_id)
{
	struct project_op *op = xcalloc(1, sizeof(*op));

	op->daemon = daemon;
	op->x = x;
	op->project_id = xstrdup(project_id);
	op->started_ms = clock_mono_ms();
	op->images = json_object();
	op->image_defaults = json_object();
	op->moved = json_array();
	*array_add(&daemon->operations) = op;
	return op;
}

void project_op_mark_building(struct project_op *op, const char *service, bool on)
{
	struct project *project = daemon_find_project(op->daemon, op->project_id);

	if (!project)
		return;
	if (on && !strv_has(&project->building, service))
		strv_add(&project->building, service);
	for (size_t i = 0; !on && i < project->building.len; i++) {
		if (!str_eq(project->building.items[i], service))
			continue;
		free(project->building.items[i]);
		project->building.items[i] = project->building.items[--project->building.len];
		project->building.items[project->building.len] = NULL;
		return;
	}
}

void project_op_free(struct project_op *op)
{
	array_drop(&op->daemon->operations, op);
	array_foreach(task, &op->tasks) {
		project_op_mark_building(op, image_task_service(*task), false);
		image_task_cancel(*task);
	}
	array_release(&op->tasks);
	array_foreach(live, &op->live_before)
		free(live->name);
	array_release(&op->live_before);
	project_free(op->config);
	diagnostics_release(&op->diags);
	strv_release(&op->services);
	strv_release(&op->forced);
	config_inputs_release(&op->inputs);
	up_context_release(&op->context);
	strv_release(&op->images_wanted);
	strv_release(&op->excluded);
	json_decref(op->images);
	json_decref(op->image_defaults);
	json_decref(op->moved);
	error_release(&op->image_error);
	json_decref(op->run_request);
	free(op->run_service);
	if (!op->daemon->is_leaving)
		live_operation_ended(op->daemon, op->project_id);
	free(op->project_id);
	free(op);
}

void project_op_begin(struct project_op *op)
{
	http_exchange_watch(op->x, &exchange_callbacks, op);
	reply_stream_begin(op->x);
}

static void finish_reload(struct project_op *op, const struct error *err, json_t *fields)
{
	/* What the services make of it is theirs to show. */
	if (!op->has_applied && err && err->code != ERR_INTERRUPTED)
		live_failed(op->daemon, op->project_id, err, &op->diags);
	json_decref(fields);
	project_op_free(op);
}

void project_op_finish(struct project_op *op, const struct error *err, json_t *fields)
{
	const struct project *project = daemon_find_project(op->daemon, op->project_id);
	json_t *result;

	if (op->is_reload) {
		finish_reload(op, err, fields);
		return;
	}
	result = reply_result(err, err ? &op->diags : NULL);

	json_set_int(result, "ms", clock_mono_ms() - op->started_ms);
	if (project)
		json_object_set_new(result, "project",
		                    status_of_project(op->daemon, project, false));
	if (json_array_size(op->moved) > 0)
		json_object_set(result, "moved", op->moved);
	if (fields)
		json_object_update(result, fields);
	json_decref(fields);
	daemon_routes_send(op->daemon);
	reply_end(take_ptr(op->x), result);
	fault_point("operation.answered");
	project_op_free(op);
}

/* --- who ran before --- */

static void note_one(const char *project, const struct service_snapshot *service, void *data)
{
	struct project_op *op = data;
	struct live_service *live;

	if (!service_state_is_live(service->state))
		return;
	live = array_add(&op->live_before);
	live->name = xstrdup(service->plan->name);
	live->run = service->run;
}

void project_op_note_live(struct project_op *op)
{
	supervisor_each(op->daemon->supervisor, op->project_id, note_one, op);
}

static const struct live_service *lived_before(const struct project_op *op, const char *service)
{
	array_foreach(live, &op->live_before)
		if (str_eq(live->name, service))
			return live;
	return NULL;
}

/* --- the end --- */

static void add_name(json_t *fields, const char *key, const char *service)
{
	json_t *names = json_object_get(fields, key);

	if (!names) {
		names = json_array();
		json_object_set_new(fields, key, names);
	}
	json_array_append_new(names, json_string(service));
}

static const char *outcome_of(const struct project_op *op, const struct service_result *result)
{
	struct service_snapshot now;
	bool is_live;

	if (result->err.code)
		return "failed";
	if (!result->was_changed)
		return "unchanged";
	is_live = supervisor_find(op->daemon->supervisor, op->project_id, result->service, &now) &&
	          now.state != SERVICE_STOPPED;
	if (!is_live)
		return "stopped";
	return lived_before(op, result->service) ? "restarted" : "started";
}

/* A service that failed by itself says more than those that waited for it. */
static int rank_of(const struct project_op *op, const struct service_result *result)
{
	struct service_snapshot now;

	if (result->err.code == ERR_INTERRUPTED)
		return 2;
	return supervisor_find(op->daemon->supervisor, op->project_id, result->service, &now) &&
	       now.state == SERVICE_WAITING;
}

void project_op_on_done(uint64_t number, const struct service_result *results, size_t count,
                        void *data)
{
	struct project_op *op = data;
	const struct error *first = NULL;
	int rank = 0;
	json_t *fields = json_object(), *errors = json_object();

	for (size_t i = 0; i < count; i++) {
		add_name(fields, outcome_of(op, &results[i]), results[i].service);
		if (!results[i].err.code)
			continue;
		json_set_str(errors, results[i].service, results[i].err.text);
		if (!first || rank_of(op, &results[i]) < rank) {
			first = &results[i].err;
			rank = rank_of(op, &results[i]);
		}
	}
	json_set_int(fields, "operation", (int64_t)number);
	json_object_set_new(fields, "errors", errors);
	op->supervised = 0;
	if (op->run_service && !first) {
		json_decref(fields);
		run_begin(op);
		return;
	}
	project_op_finish(op, first, fields);
}

/* --- a client that goes away --- */

static void on_late_stop(uint64_t number, const struct service_result *results, size_t count,
                         void *data)
{
	/* Nobody waits for this one; the states it leads to are in `status`. */
}

struct started {
	const struct project_op *op;
	struct strv names;
};

static void note_started(const char *project, const struct service_snapshot *service, void *data)
{
	struct started *started = data;
	const struct live_service *before = lived_before(started->op, service->plan->name);
	bool is_ours = !before || before->run != service->run;

	if (is_ours && service_state_is_live(service->state))
		strv_add(&started->names, service->plan->name);
}

static void stop_what_was_started(struct project_op *op)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct started started = {.op = op};

	supervisor_cancel(op->daemon->supervisor, op->supervised);
	supervisor_each(op->daemon->supervisor, op->project_id, note_started, &started);
	if (started.names.len > 0 && !supervisor_stop(op->daemon->supervisor, op->project_id,
	                                              &started.names, on_late_stop, NULL, &err))
		log_err("stop what an interrupted up started: %s", err.text);
	strv_release(&started.names);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	struct project_op *op = data;

	op->x = NULL;
	if (op->daemon->is_leaving)
		return;
	if (op->supervised == 0)
		project_op_free(op); /* kills the jobs */
	else if (op->config)
		stop_what_was_started(op); /* `up`; its done callback frees it */
}

void project_ops_on_state(struct daemon *daemon, const char *project,
                          const struct service_snapshot *service)
{
	const struct project *known = daemon_find_project(daemon, project);

	array_foreach(op, &daemon->operations)
		if (known && (*op)->x && (*op)->supervised && str_eq((*op)->project_id, project))
			reply_line((*op)->x, status_event(known, service));
}

void project_ops_release(struct daemon *daemon)
{
	while (daemon->operations.len > 0)
		project_op_free(daemon->operations.items[0]);
	array_release(&daemon->operations);
}

/* --- stop and restart --- */

static const struct project *project_of(struct daemon *daemon, const json_t *request,
                                        struct error *err)
{
	const struct project *project;
	const char *root;

	if (json_need_str(request, "root", &root, err) < 0)
		return NULL;
	project = daemon_find_project_at(daemon, root);
	if (!project)
		error_set(err, ERR_NOT_FOUND, "nothing of %s has been started", root);
	return project;
}

/* Takes these plans out of what an operation is still making images for. */
static void take_out(struct project_op *op, const struct project *project, const struct strv *plans)
{
	for (size_t i = 0; i < plans->len; i++) {
		int at = project_index(project, plans->items[i]);

		if (!strv_has(&op->excluded, plans->items[i]))
			strv_add(&op->excluded, plans->items[i]);
		if (at >= 0)
			project_op_drop_service(op, plan_service(&project->plans.items[at]));
	}
}

static bool makes_images(const struct project_op *op, const char *project_id)
{
	return !op->supervised && op->config && str_eq(op->project_id, project_id);
}

/*
 * An image that is being made for these services is called off: nobody waits for it any more.
 * `project` may be another object afterwards.
 */
static void stop_builds(struct daemon *daemon, const struct project *project,
                        const struct strv *plans)
{
	cleanup_free char *id = xstrdup(project->id);

	array_foreach(op, &daemon->operations)
		if (makes_images(*op, id))
			take_out(*op, project, plans);
	for (size_t i = daemon->operations.len; i-- > 0;) {
		struct project_op *op = daemon->operations.items[i];
		cleanup(error_release) struct error err = ERROR_INIT;

		if (!makes_images(op, id))
			continue;
		if (plans->len == 0 || op->services.len == 0) {
			error_set(&err, ERR_INTERRUPTED, "stopped while images were being made");
			project_op_finish(op, &err, NULL);
		} else if (op->tasks.len == 0) {
			project_op_next_images(op);
		}
	}
}

void project_op_stop(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct project *project = project_of(daemon, request, &err);
	struct project_op *op;

	if (!project && err.code == ERR_NOT_FOUND) {
		/* Stopping what does not run is done already. */
		reply_stream_begin(x);
		reply_end(x, reply_result(NULL, NULL));
		return;
	}
	if (!project) {
		reply_error(x, &err, NULL);
		return;
	}
	op = project_op_new(daemon, x, project->id);
	if (json_to_strv(json_object_get(request, "services"), "services", &op->services, &err) <
	            0 ||
	    project_resolve(project, &op->services, &err) < 0) {
		reply_error(x, &err, NULL);
		project_op_free(op);
		return;
	}
	stop_builds(daemon, project, &op->services);
	live_owes_not(daemon, op->project_id, &op->services);
	project_op_note_live(op);
	project_op_begin(op);
	op->supervised = supervisor_stop(daemon->supervisor, op->project_id, &op->services,
	                                 project_op_on_done, op, &err);
	fault_point("stop.accepted");
	if (!op->supervised)
		project_op_finish(op, &err, NULL);
}

void project_op_restart(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	cleanup_json json_t *forced = json_copy((json_t *)request);

	/* A restart re-reads the configuration: it is an `up` that leaves nothing running. */
	json_set_bool(forced, "restart", true);
	project_op_up(daemon, x, forced);
}
