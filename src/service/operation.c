#include "service/supervisor_internal.h"

struct operation *operation_new(struct project *project, enum operation_kind kind,
                                const struct strv *subset, supervisor_done_fn *done, void *data)
{
	struct operation *operation = xcalloc(1, sizeof(*operation));

	operation->id = ++project->sup->last_operation;
	operation->kind = kind;
	if (subset)
		strv_copy(&operation->subset, subset);
	operation->done = done;
	operation->data = data;
	return operation;
}

void operation_free(struct operation *operation)
{
	array_foreach(plan, &operation->plans)
		service_plan_release(plan);
	array_release(&operation->plans);
	array_foreach(target, &operation->targets) {
		error_release(&target->err);
		service_unref(target->service);
	}
	array_release(&operation->targets);
	strv_release(&operation->subset);
	strv_release(&operation->excluded);
	strv_release(&operation->forced);
	free(operation);
}

static int interrupt(struct error *err)
{
	return error_set(err, ERR_INTERRUPTED, "called off by a later command");
}

static struct target *target_of(struct operation *operation, const struct service *service)
{
	array_foreach(target, &operation->targets)
		if (target->service == service)
			return target;
	return NULL;
}

static void end_target(struct target *target)
{
	target->is_done = true;
	target->must_stop = target->must_start = false;
}

/* A stop overrules what earlier operations still want of its services. */
static void overrule(struct project *project, const struct operation *stop)
{
	array_foreach(at, &project->queue) {
		struct operation *earlier = *at;

		if (earlier->kind == OPERATION_STOP)
			continue;
		array_foreach(target, &earlier->targets) {
			const char *name = target->service->plan.name;

			if (target->is_done || (stop->subset.len && !strv_has(&stop->subset, name)))
				continue;
			interrupt(&target->err);
			end_target(target);
		}
		if (earlier->has_begun)
			continue;
		if (stop->subset.len == 0)
			earlier->is_cancelled = true;
		for (size_t i = 0; i < stop->subset.len; i++)
			strv_add(&earlier->excluded, stop->subset.items[i]);
	}
}

void operation_submit(struct project *project, struct operation *operation)
{
	if (operation->kind == OPERATION_STOP)
		overrule(project, operation);
	*array_add(&project->queue) = operation;
	project_kick(project);
}

static void add_target(struct operation *operation, struct service *service, bool must_stop,
                       bool must_start)
{
	struct target *target = target_of(operation, service);

	if (!target) {
		target = array_add(&operation->targets);
		target->service = service;
		service->refs++;
	}
	target->must_stop |= must_stop;
	target->must_start |= must_start;
}

/* Marks what an apply reaches: the subset, and with it what that depends on. */
static void reach(struct service *service, bool with_deps, uint64_t operation)
{
	if (service->reached_by == operation)
		return;
	service->reached_by = operation;
	if (with_deps)
		array_foreach(link, &service->links)
			if (link->on)
				reach(link->on, with_deps, operation);
}

static bool is_forced(const struct operation *operation, const struct service *service)
{
	return operation->force_restart &&
	       (operation->forced.len == 0 || strv_has(&operation->forced, service->plan.name));
}

static void add_apply_target(struct operation *operation, struct service *service)
{
	bool is_current = str_eq_null(service->fingerprint, service->plan.fingerprint);
	bool is_live = service_state_is_live(service->state);

	add_target(operation, service, is_live && (!is_current || is_forced(operation, service)),
	           true);
}

static bool is_planned(const struct operation *operation, const char *name)
{
	array_foreach(plan, &operation->plans)
		if (str_eq(plan->name, name))
			return true;
	return false;
}

static void begin_apply(struct project *project, struct operation *operation)
{
	array_foreach(plan, &operation->plans)
		(void)project_put(project, plan);
	project_link(project);
	array_foreach(service, &project->services)
		if ((operation->subset.len == 0 && !operation->is_exact) ||
		    strv_has(&operation->subset, (*service)->plan.name))
			reach(*service, !operation->no_deps, operation->id);
	array_foreach(at, &project->services) {
		struct service *service = *at;

		if (!is_planned(operation, service->plan.name)) {
			service->is_removed = true;
			add_target(operation, service, true, false);
		} else if (service->reached_by == operation->id &&
		           !strv_has(&operation->excluded, service->plan.name)) {
			add_apply_target(operation, service);
		}
	}
}

static void begin_targets(struct project *project, struct operation *operation)
{
	if (operation->kind == OPERATION_APPLY) {
		begin_apply(project, operation);
		return;
	}
	array_foreach(at, &project->services) {
		struct service *service = *at;

		if ((operation->subset.len == 0 ||
		     strv_has(&operation->subset, service->plan.name)) &&
		    !strv_has(&operation->excluded, service->plan.name))
			add_target(operation, service, true, operation->kind == OPERATION_RESTART);
	}
}

/* As an apply wants it.  A worker that has done its work well is no failure. */
static bool is_satisfied(const struct service *service)
{
	if (service_plan_is_job(&service->plan))
		return service->has_settled &&
		       (service->state == SERVICE_SCHEDULED || service->state == SERVICE_RUNNING);
	return service->has_settled &&
	       (service->ready || (service->state == SERVICE_EXITED && !service->plan.has_port));
}

static void begin(struct project *project, struct operation *operation)
{
	operation->has_begun = true;
	begin_targets(project, operation);
	array_foreach(target, &operation->targets) {
		struct service *service = target->service;

		service->wanted = target->must_start;
		service->runs_now = target->must_start && (operation->kind == OPERATION_RESTART ||
		                                           is_forced(operation, service));
		service->is_held = false;
		if (operation->kind == OPERATION_APPLY)
			service->ignores_deps = operation->no_deps;
		/* A completed oneshot of the same fingerprint has done its work. */
		if (target->must_start && !target->must_stop && is_satisfied(service) &&
		    !is_forced(operation, service) &&
		    str_eq_null(service->fingerprint, service->plan.fingerprint)) {
			end_target(target);
			continue;
		}
		service->is_doomed = target->must_stop && !service_state_is_at_rest(service->state);
		target->was_changed = service->is_doomed || !service_state_is_live(service->state);
		/* Whoever restarts it has seen to it. */
		if (service->runs_now || !service_state_is_live(service->state))
			service->crashes = 0;
	}
}

static bool is_tried_again(const struct service *service)
{
	return service->has_next_try && service->crashes < CRASHES_FOR_FAILURE;
}

static void advise_on_time(const struct service_plan *plan, struct error *err)
{
	const char *table = plan->group ? plan->group : plan->name;
	int port = plan->has_own_network ? plan->inside_port : plan->port;

	if ((plan->health.kind == PLAN_HEALTH_DEFAULT || plan->health.kind == PLAN_HEALTH_TCP) &&
	    port > 0)
		error_hint(
			err,
			"let it listen on $PORT (%d), or give it longer: `health_check = { type = "
			"\"tcp\", start_period = 60 }` in [services.%s]",
			port, table);
	else
		error_hint(err,
		           "`locald why %s` says what it waits for; a longer `start_period` in its "
		           "health_check in [services.%s] gives it time",
		           plan->name, table);
}

/* Has this target's start failed, as far as an operation waits for it? */
static bool has_failed(const struct target *target, struct error *err)
{
	const struct service *service = target->service;

	switch (service->state) {
	case SERVICE_WAITING:
		if (service->failure.code == 0)
			return false;
		break;
	case SERVICE_CRASHED:
		if (service->failure.code == 0 || is_tried_again(service))
			return false;
		break;
	case SERVICE_EXITED:
		if (is_satisfied(service) || is_tried_again(service))
			return false;
		error_set(err, ERR_FAILED, "%s", service->detail);
		return true;
	case SERVICE_RUNNING:
	case SERVICE_UNHEALTHY:
		if (!service->is_overdue)
			return false;
		error_set(err, ERR_TIMEOUT, "not ready after %g s: %s",
		          (double)service->plan.health.start_period_ms / 1000,
		          service->detail ? service->detail : "no answer");
		advise_on_time(&service->plan, err);
		return true;
	case SERVICE_STOPPED:
		interrupt(err);
		return true;
	case SERVICE_BLOCKED:
		break;
	case SERVICE_SCHEDULED:
	case SERVICE_PREPARING:
	case SERVICE_STARTING:
	case SERVICE_STOPPING:
	case SERVICE_STATE_COUNT:
		return false;
	}
	error_set(err, service->failure.code, "%s", service->failure.text);
	if (service->failure.hint)
		error_hint(err, "%s", service->failure.hint);
	return true;
}

static bool advance_start(struct target *target)
{
	struct service *service = target->service;

	if (!target->is_start_sent) {
		target->is_start_sent = true;
		service->is_doomed = false;
		service_handle(service, EVENT_START);
		return true;
	}
	if (!is_satisfied(service) && !has_failed(target, &target->err))
		return false;
	end_target(target);
	return true;
}

static bool advance_stop(struct target *target, bool is_held)
{
	struct service *service = target->service;

	if (service_state_is_at_rest(service->state) &&
	    (target->is_stop_sent || service->state == SERVICE_STOPPED ||
	     service->state == SERVICE_BLOCKED)) {
		/* Until it is started again it is still not to be counted on, nor given up. */
		service->is_doomed = target->must_start;
		target->must_stop = false;
		target->is_done = !target->must_start;
		return true;
	}
	/* What has ended already has nobody to wait for, and would only be tried again. */
	if (target->is_stop_sent || (is_held && !service_state_is_at_rest(service->state)))
		return false;
	target->is_stop_sent = true;
	service_handle(service, EVENT_STOP);
	return true;
}

static void hold_links(const struct service *service, unsigned int pass)
{
	array_foreach(link, &service->links) {
		if (!link->on || link->on->held_in_pass == pass)
			continue;
		link->on->held_in_pass = pass;
		hold_links(link->on, pass);
	}
}

/* What depends on a service stops before it, though what is between them has crashed. */
static void mark_held(struct operation *operation, unsigned int pass)
{
	array_foreach(target, &operation->targets)
		if (target->must_stop && !service_state_is_at_rest(target->service->state))
			hold_links(target->service, pass);
}

static bool advance(struct project *project, struct operation *operation)
{
	unsigned int pass = ++project->sup->pass;
	bool did = false;

	mark_held(operation, pass);
	array_foreach(target, &operation->targets) {
		if (target->is_done)
			continue;
		if (target->must_stop)
			did |= advance_stop(target, target->service->held_in_pass == pass);
		else if (target->must_start)
			did |= advance_start(target);
		else
			end_target(target);
	}
	return did;
}

static void cancel(struct operation *operation)
{
	array_foreach(target, &operation->targets) {
		struct service *service = target->service;

		if (target->is_done)
			continue;
		service->is_doomed = false;
		if (target->must_start &&
		    (service->state == SERVICE_WAITING || service->state == SERVICE_PREPARING)) {
			service->wanted = false;
			service_handle(service, EVENT_STOP);
		}
		interrupt(&target->err);
		end_target(target);
	}
}

static bool is_over(const struct operation *operation)
{
	array_foreach(target, &operation->targets)
		if (!target->is_done)
			return false;
	return true;
}

bool operations_advance(struct project *project)
{
	bool did = false;

	for (size_t i = 0; i < project->queue.len; i++) {
		struct operation *operation = project->queue.items[i];

		/* Only a stop may overtake what it has overruled. */
		if (i > 0 && operation->kind != OPERATION_STOP && !operation->is_cancelled)
			continue;
		if (!operation->has_begun && !operation->is_cancelled)
			begin(project, operation);
		if (operation->is_cancelled)
			cancel(operation);
		else
			did |= advance(project, operation);
		if (!is_over(operation))
			continue;
		array_remove(&project->queue, &project->queue.items[i]);
		*array_add(&project->finished.items) = operation;
		did = true;
		i--;
	}
	return did;
}

static void finish_unbegun(struct operation *operation)
{
	struct service_result *results = xcalloc(operation->plans.len + 1, sizeof(*results));
	size_t count = 0;

	array_foreach(plan, &operation->plans) {
		if (operation->subset.len && !strv_has(&operation->subset, plan->name))
			continue;
		results[count].service = plan->name;
		interrupt(&results[count++].err);
	}
	if (operation->done)
		operation->done(operation->id, results, count, operation->data);
	for (size_t i = 0; i < count; i++)
		error_release(&results[i].err);
	free(results);
}

static void finish_begun(struct operation *operation)
{
	size_t count = operation->targets.len;
	cleanup_free struct service_result *results = xcalloc(count + 1, sizeof(*results));

	for (size_t i = 0; i < count; i++) {
		const struct target *target = &operation->targets.items[i];

		results[i] = (struct service_result){
			.service = target->service->plan.name,
			.err = target->err,
			.was_changed = target->was_changed,
		};
	}
	if (operation->done)
		operation->done(operation->id, results, count, operation->data);
}

void operation_finish(struct operation *operation)
{
	if (operation->has_begun)
		finish_begun(operation);
	else
		finish_unbegun(operation);
	operation_free(operation);
}
