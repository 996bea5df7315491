#include "base/mem.h"
#include "daemon/changes.h"
#include "daemon/project_op_internal.h"
#include "service/port_pool.h"

/* One service that `up` would look at. */
struct planned {
	struct project_op *op;
	const struct project *known, *next; /* known NULL: never up */
	json_t *list;
};

static json_t *add(struct planned *planned, const char *service, const char *action)
{
	json_t *object = json_object();

	json_set_str(object, "service", service);
	json_set_str(object, "action", action);
	json_array_append_new(planned->list, object);
	return object;
}

static void set_what_runs(json_t *object, const struct service_config *service)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (service->command.shell)
		strbuf_adds(&text, service->command.shell);
	for (size_t i = 0; i < service->command.argv.len; i++)
		strbuf_addf(&text, "%s%s", i > 0 ? " " : "", service->command.argv.items[i]);
	if (text.len == 0 && service->image)
		strbuf_adds(&text, service->image);
	json_set_str(object, "runs", text.buf);
	if (service->file) {
		json_set_str(object, "file", service->file->name);
		json_set_int(object, "line", service->pos.line);
	}
}

/* Done with its work, and with the same fingerprint: `up` leaves it. */
static bool is_done(const struct service_snapshot *now)
{
	return now->state == SERVICE_EXITED && (now->plan->oneshot || !now->plan->has_port);
}

static json_t *reasons_of(const struct planned *planned, const struct service_snapshot *now,
                          const struct service_plan *plan)
{
	const struct project *next = planned->next;
	size_t i = array_index(&next->plans, plan);
	int old = project_index(planned->known, plan->name);

	/* Without what it was started with there is nothing to compare. */
	if (old < 0 || !str_eq_null(planned->known->plans.items[old].fingerprint, now->fingerprint))
		return json_array();
	return changes_between(planned->known->extras.items[old].made_of,
	                       next->extras.items[i].made_of, planned->op->config,
	                       project_service(planned->op->config, plan_service(plan)));
}

static void plan_one(struct planned *planned, const struct service_plan *plan)
{
	struct project_op *op = planned->op;
	struct service_snapshot now;
	bool is_known = planned->known &&
	                supervisor_find(op->daemon->supervisor, op->project_id, plan->name, &now);
	bool is_live = is_known && service_state_is_live(now.state);
	bool is_same = is_known && str_eq_null(now.fingerprint, plan->fingerprint);

	if (is_same && (is_live || is_done(&now)))
		(void)add(planned, plan->name, "unchanged");
	else if (is_live)
		json_object_set_new(add(planned, plan->name, "restart"), "reasons",
		                    reasons_of(planned, &now, plan));
	else
		set_what_runs(add(planned, plan->name, "start"),
		              project_service(op->config, plan_service(plan)));
}

static void plan_stops(struct planned *planned)
{
	array_foreach(plan, &planned->known->plans) {
		struct service_snapshot now;

		if (project_index(planned->next, plan->name) < 0 &&
		    supervisor_find(planned->op->daemon->supervisor, planned->op->project_id,
		                    plan->name, &now) &&
		    service_state_is_live(now.state))
			(void)add(planned, plan->name, "stop");
	}
}

void project_op_plan(struct project_op *op)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct project *known = daemon_find_project(op->daemon, op->project_id);
	struct project *next =
		project_new(op->project_id, op->config->root, op->config->name, op->config->domain);
	struct planned planned = {op, known, next, json_array()};
	/* Ports are chosen from a copy: none is taken for good. */
	cleanup(port_pool_release) struct port_pool ports = port_pool_copy(&op->daemon->ports);
	struct compose_request request;

	if (known)
		project_op_keep_images(op, known);
	request = project_op_compose_request(op);
	request.ports = &ports;
	request.moved = NULL;
	if (compose_plans(&request, next, &op->diags, &err) < 0) {
		json_decref(planned.list);
		project_op_finish(op, &err, NULL);
	} else {
		array_foreach(plan, &next->plans)
			if (strv_has(&op->services, plan_service(plan)))
				plan_one(&planned, plan);
		if (known)
			plan_stops(&planned);
		project_op_finish(op, NULL, json_pack("{s:o}", "plan", planned.list));
	}
	project_destroy(next);
}
