#include "base/log.h"
#include "base/mem.h"
#include "config/selection.h"
#include "daemon/image_task.h"
#include "daemon/live.h"
#include "daemon/project_op_internal.h"

bool project_op_is_under_way(const struct daemon *daemon, const char *project)
{
	array_foreach(op, &daemon->operations)
		if (!(*op)->is_reload && str_eq((*op)->project_id, project))
			return true;
	return false;
}

bool project_op_is_reloading(const struct daemon *daemon, const char *project,
                             const struct config_inputs *inputs)
{
	array_foreach(op, &daemon->operations)
		if ((*op)->is_reload && !(*op)->has_applied && str_eq((*op)->project_id, project))
			return !config_inputs_first_change(&(*op)->inputs, inputs);
	return false;
}

void project_op_cancel_reload(struct daemon *daemon, const char *project, bool before_apply)
{
	for (size_t i = daemon->operations.len; i-- > 0;) {
		struct project_op *op = daemon->operations.items[i];

		if (!op->is_reload || (before_apply && op->has_applied) ||
		    !str_eq(op->project_id, project))
			continue;
		live_owes(daemon, project, &op->services);
		if (op->supervised)
			supervisor_cancel(daemon->supervisor, op->supervised);
		else
			project_op_free(op); /* kills the jobs */
	}
}

/* --- which services --- */

/* An edit of the configuration is no reason to build what it does not touch. */
void project_op_keep_images(struct project_op *op, const struct project *known)
{
	array_foreach(extra, &known->extras) {
		size_t i = array_index(&known->extras, extra);

		if (!extra->image)
			continue;
		json_set_str(op->images, plan_service(&known->plans.items[i]), extra->image);
		if (extra->image_defaults)
			json_object_set(op->image_defaults, plan_service(&known->plans.items[i]),
			                extra->image_defaults);
	}
}

static bool has_changed(const struct project_op *op, const struct service_plan *plan)
{
	struct service_snapshot now;

	if (!supervisor_find(op->daemon->supervisor, op->project_id, plan->name, &now))
		return false;
	return (now.wanted || service_state_is_live(now.state)) &&
	       !str_eq_null(now.fingerprint, plan->fingerprint);
}

static bool is_new(const struct project_op *op, const struct project *known, const char *service)
{
	return project_index(known, service) < 0 &&
	       service_is_wanted(project_service(op->config, service), &op->context.profiles);
}

static int choose_services(struct project_op *op, const struct project *known,
                           const struct strv *owed, struct error *err)
{
	const struct compose_request request = project_op_compose_request(op);
	struct project *project =
		project_new(op->project_id, op->config->root, op->config->name, op->config->domain);
	int result = compose_plans(&request, project, &op->diags, err);

	array_foreach(plan, &project->plans) {
		const char *service = plan_service(plan);

		if (result == 0 && !strv_has(&op->services, service) &&
		    (has_changed(op, plan) || is_new(op, known, service) ||
		     strv_has(owed, plan->name) || strv_has(owed, service)))
			strv_add(&op->services, service);
	}
	project_destroy(project);
	return result;
}

static void choose_images(struct project_op *op)
{
	const struct compose_request request = project_op_compose_request(op);
	cleanup(strv_release) struct strv all = STRV_INIT;

	for (size_t i = 0; i < op->services.len; i++)
		project_op_add_with_dependencies(op, op->services.items[i], &all);
	for (size_t i = 0; i < all.len; i++) {
		const char *name = all.items[i];
		bool is_container =
			compose_mode(&request, project_service(op->config, name)) == MODE_CONTAINER;

		if (is_container &&
		    (strv_has(&op->services, name) || !json_object_get(op->images, name)))
			strv_add(&op->images_wanted, name);
	}
}

/* --- the operation --- */

void project_op_reload(struct daemon *daemon, const struct project *project,
                       struct project_config *config, struct config_inputs *inputs,
                       const char *commit, const struct strv *owed)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct project_op *op = project_op_new(daemon, NULL, project->id);

	op->is_reload = true;
	op->config = config;
	op->inputs = *inputs;
	*inputs = (struct config_inputs)CONFIG_INPUTS_INIT;
	(void)str_copy(op->head, sizeof(op->head), commit);
	up_context_copy(&op->context, &project->context);
	project_op_keep_images(op, project);
	if (formation_apply(op->config, &op->context.formation, &err) < 0) {
		/* A service that it names may have gone; the rest of it holds. */
		log_info("%s", err.text);
		error_release(&err);
	}
	if (choose_services(op, project, owed, &err) < 0 || project_op_approve(op, &err) < 0) {
		project_op_finish(op, &err, NULL);
		return;
	}
	choose_images(op);
	project_op_next_images(op);
}
