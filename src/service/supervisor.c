#include "service/supervisor.h"

#include "base/proc.h"
#include "service/supervisor_internal.h"

#include <errno.h>

struct supervisor *supervisor_new(const struct supervisor_world *world,
                                  const struct supervisor_paths *paths,
                                  const struct supervisor_events *events, void *data)
{
	struct supervisor *sup = xcalloc(1, sizeof(*sup));

	sup->world = world;
	sup->paths = *paths;
	sup->events = events;
	sup->data = data;
	return sup;
}

static void let_go(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	service_clear_timers(service);
	schedule_disarm(service);
	readiness_end(service);
	if (service->keeper)
		world->keeper_free(take_ptr(service->keeper), world->data);
}

void service_unref(struct service *service)
{
	if (--service->refs > 0)
		return;
	let_go(service);
	service_plan_release(&service->plan);
	array_release(&service->links);
	strv_release(&service->argv);
	strv_release(&service->env);
	strv_release(&service->last_lines);
	error_release(&service->failure);
	free(service->fingerprint);
	free(service->detail);
	free(service->told_text);
	free(service->run_mark);
	free(service->end_reason);
	free(service->end_cause);
	oom_watch_release(&service->oom);
	free(service->warning);
	free(service);
}

static void project_free(struct project *project)
{
	const struct supervisor_world *world = project->sup->world;

	array_foreach(operation, &project->queue)
		operation_free(*operation);
	array_release(&project->queue);
	array_foreach(service, &project->services) {
		let_go(*service);
		service_unref(*service);
	}
	array_release(&project->services);
	if (project->kick)
		world->timer_free(project->kick, world->data);
	free(project->id);
	free(project);
}

void supervisor_free(struct supervisor *sup)
{
	if (!sup)
		return;
	array_foreach(project, &sup->projects)
		project_free(*project);
	array_release(&sup->projects);
	free(sup);
}

struct project *project_find(struct supervisor *sup, const char *id)
{
	array_foreach(project, &sup->projects)
		if (str_eq((*project)->id, id))
			return *project;
	return NULL;
}

struct project *project_get(struct supervisor *sup, const char *id)
{
	struct project *project = project_find(sup, id);

	if (project)
		return project;
	project = xcalloc(1, sizeof(*project));
	project->sup = sup;
	project->id = xstrdup(id);
	*array_add(&sup->projects) = project;
	return project;
}

struct service *supervised_service(struct project *project, const char *name)
{
	array_foreach(service, &project->services)
		if (str_eq((*service)->plan.name, name))
			return *service;
	return NULL;
}

/* An edit elsewhere in the file moves the line, and what a warning says of it. */
static void move_port_place(struct service *service, const struct service_plan *plan)
{
	if (str_eq_null(service->plan.port_place, plan->port_place))
		return;
	free(service->plan.port_place);
	service->plan.port_place = xstrdup_null(plan->port_place);
	free(take_ptr(service->warning));
}

struct service *project_put(struct project *project, const struct service_plan *plan)
{
	struct service *service = supervised_service(project, plan->name);

	if (!service) {
		service = xcalloc(1, sizeof(*service));
		service->probe_ms = -1;
		service->sup = project->sup;
		service->project = project;
		service->refs = 1;
		service->state = SERVICE_STOPPED;
		*array_add(&project->services) = service;
	} else if (service_state_is_live(service->state) &&
	           str_eq_null(service->fingerprint, plan->fingerprint)) {
		service->is_removed = false;
		move_port_place(service, plan);
		return service;
	}
	service->is_removed = false;
	service_plan_release(&service->plan);
	service_plan_copy(&service->plan, plan);
	return service;
}

void project_link(struct project *project)
{
	array_foreach(at, &project->services) {
		struct service *service = *at;

		service->links.len = 0;
		array_foreach(dep, &service->plan.deps)
			*array_add(&service->links) = (struct service_link){
				supervised_service(project, dep->name), dep->condition};
	}
}

/* Services that left the configuration and have stopped. */
static bool forget_removed(struct project *project)
{
	bool did = false;

	for (size_t i = project->services.len; i-- > 0;) {
		struct service *service = project->services.items[i];

		if (!service->is_removed || !service_state_is_at_rest(service->state))
			continue;
		array_remove(&project->services, &project->services.items[i]);
		service->project = NULL;
		service_unref(service);
		did = true;
	}
	if (did)
		project_link(project);
	return did;
}

static void project_advance(void *data)
{
	struct project *project = data;
	const struct supervisor *sup = project->sup;
	struct operation_list finished;
	bool did;

	sup->world->timer_free(take_ptr(project->kick), sup->world->data);
	do {
		array_foreach(service, &project->services)
			if ((*service)->state == SERVICE_WAITING)
				service_check_deps(*service);
		did = operations_advance(project);
		did |= forget_removed(project);
	} while (did);
	if (project->are_ports_dirty) {
		project->are_ports_dirty = false;
		sup->events->on_ports(project->id, sup->data);
	}
	/* Last, because a done function may even forget the project. */
	finished = project->finished;
	project->finished = (struct operation_list){0};
	array_foreach(operation, &finished.items)
		operation_finish(*operation);
	array_release(&finished.items);
}

void project_kick(struct project *project)
{
	const struct supervisor_world *world = project->sup->world;

	if (!project->kick)
		project->kick = world->timer_add(0, project_advance, project, world->data);
}

/* As it was when it was told, and that is longer ago by now. */
static struct service_exit exit_of(const struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	struct service_exit exit = service->last_exit;

	exit.ago_ms += world->boot_ms(world->data) - service->exited_boot_ms;
	return exit;
}

struct service_snapshot service_snapshot_of(const struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	int64_t next_try_ms = -1, boot_ms = world->boot_ms(world->data);

	if (service_state_is_at_rest(service->state) && service->has_next_try) {
		next_try_ms = service->next_try_at_ms - world->mono_ms(world->data);
		if (next_try_ms < 0)
			next_try_ms = 0;
	}
	return (struct service_snapshot){
		.plan = &service->plan,
		.state = service->state,
		.ready = service->ready,
		.wanted = service->wanted,
		.pid = service->pid,
		.start_ticks = service->start_ticks,
		.run = service->run,
		.fingerprint = service->fingerprint,
		.port = service->port ? service->port : service->plan.port,
		.inside_port = service->inside_port,
		.is_ipv6_only = service->is_ipv6_only,
		.is_port_stolen = service->is_port_stolen,
		.detail = service->state == SERVICE_RUNNING && service->told_text
	                          ? service->told_text
	                          : service->detail,
		.warning = service->warning,
		.last_exit = exit_of(service),
		.last_lines = &service->last_lines,
		.overdue_ms = service->is_overdue ? (int)service->plan.health.start_period_ms : 0,
		.restarts = service->crashes,
		.crashing_ms = service->last_crash_at_ms - service->first_crash_at_ms,
		.next_try_ms = next_try_ms,
		.next_run_real_ns = service->due_real_ns,
		.started_real_ns = service->started_real_ns,
		.age_ms = service->start_ticks > 0 ? proc_age_ms(service->start_ticks) : -1,
		.ready_ms = service->ready && service->ready_boot_ms > 0
	                            ? boot_ms - service->ready_boot_ms
	                            : -1,
		.probe_ms = service->probe_ms,
		.root = service_root(service),
		.is_degraded = service->is_degraded,
		.is_log_full = service->is_log_full,
		.dropped_bytes = service->dropped_bytes,
	};
}

void service_changed(struct service *service)
{
	struct supervisor *sup = service->sup;
	struct service_snapshot snapshot = service_snapshot_of(service);

	if (!service->project)
		return;
	service->project->are_ports_dirty |= service->plan.has_port;
	sup->events->on_state(service->project->id, &snapshot, sup->data);
	project_kick(service->project);
}

/* Every name of the subset must be known now, or by an apply that is queued. */
static int check_subset(struct project *project, const struct strv *subset, struct error *err)
{
	for (size_t i = 0; subset && i < subset->len; i++) {
		const char *name = subset->items[i];
		bool is_known = project && supervised_service(project, name);

		if (project && !is_known)
			array_foreach(operation, &project->queue)
				array_foreach(plan, &(*operation)->plans)
					is_known |= str_eq(plan->name, name);
		if (!is_known)
			return error_set(err, ERR_NOT_FOUND, "no such service %s", name);
	}
	return 0;
}

uint64_t supervisor_apply(struct supervisor *sup, const char *project_id,
                          const struct service_plan *plans, size_t count,
                          const struct apply_options *options, supervisor_done_fn *done, void *data,
                          struct error *err)
{
	const struct strv *subset = options->subset;
	struct operation *operation;
	struct project *project;

	if (service_plans_check(plans, count, err) < 0)
		return 0;
	for (size_t i = 0; subset && i < subset->len; i++) {
		bool is_known = false;

		for (size_t j = 0; j < count; j++)
			is_known |= str_eq(plans[j].name, subset->items[i]);
		if (!is_known) {
			error_set(err, ERR_NOT_FOUND, "no such service %s", subset->items[i]);
			return 0;
		}
	}
	project = project_get(sup, project_id);
	operation = operation_new(project, OPERATION_APPLY, subset, done, data);
	for (size_t i = 0; i < count; i++)
		service_plan_copy(array_add(&operation->plans), &plans[i]);
	operation->no_deps = options->no_deps;
	operation->force_restart = options->force_restart;
	if (options->forced)
		strv_copy(&operation->forced, options->forced);
	if (options->excluded)
		strv_copy(&operation->excluded, options->excluded);
	operation->is_exact = options->is_exact;
	operation_submit(project, operation);
	return operation->id;
}

static uint64_t submit(struct supervisor *sup, const char *project_id, enum operation_kind kind,
                       const struct strv *subset, supervisor_done_fn *done, void *data,
                       struct error *err)
{
	struct project *project = project_find(sup, project_id);
	struct operation *operation;

	if (check_subset(project, subset, err) < 0)
		return 0;
	if (!project)
		project = project_get(sup, project_id);
	operation = operation_new(project, kind, subset, done, data);
	operation_submit(project, operation);
	return operation->id;
}

uint64_t supervisor_stop(struct supervisor *sup, const char *project, const struct strv *subset,
                         supervisor_done_fn *done, void *data, struct error *err)
{
	return submit(sup, project, OPERATION_STOP, subset, done, data, err);
}

uint64_t supervisor_restart(struct supervisor *sup, const char *project, const struct strv *subset,
                            supervisor_done_fn *done, void *data, struct error *err)
{
	return submit(sup, project, OPERATION_RESTART, subset, done, data, err);
}

void supervisor_cancel(struct supervisor *sup, uint64_t id)
{
	array_foreach(project, &sup->projects) {
		array_foreach(operation, &(*project)->queue) {
			if ((*operation)->id != id)
				continue;
			(*operation)->is_cancelled = true;
			project_kick(*project);
		}
	}
}

int supervisor_declare(struct supervisor *sup, const char *project_id,
                       const struct service_plan *plans, size_t count, const char *blocked_reason,
                       struct error *err)
{
	struct project *project;

	if (service_plans_check(plans, count, err) < 0)
		return -1;
	project = project_get(sup, project_id);
	for (size_t i = 0; i < count; i++)
		(void)project_put(project, &plans[i]);
	project_link(project);
	for (size_t i = 0; i < count; i++) {
		struct service *service = supervised_service(project, plans[i].name);

		if (blocked_reason) {
			error_set(&service->failure, ERR_NOT_APPROVED, "%s", blocked_reason);
			service_handle(service, EVENT_BLOCK);
		} else {
			service_changed(service);
		}
	}
	return 0;
}

int supervisor_forget(struct supervisor *sup, const char *project_id, struct error *err)
{
	struct project *project = project_find(sup, project_id);

	if (!project)
		return 0;
	if (project->queue.len > 0)
		return error_set(err, EBUSY, "%s has an operation under way", project_id);
	array_foreach(service, &project->services)
		if (!service_state_is_at_rest((*service)->state))
			return error_set(err, EBUSY, "%s is %s", (*service)->plan.name,
			                 service_state_name((*service)->state));
	array_foreach(at, &sup->projects) {
		if (*at == project) {
			array_remove(&sup->projects, at);
			break;
		}
	}
	project_free(project);
	return 0;
}

void supervisor_prepared(struct supervisor *sup, uint64_t token, const struct strv *argv,
                         const struct strv *env, const struct error *failure)
{
	if (token == 0)
		return;
	array_foreach(project, &sup->projects) {
		array_foreach(at, &(*project)->services) {
			struct service *service = *at;

			if (service->prepare_token != token)
				continue;
			service->prepare_token = 0;
			if (failure) {
				error_set(&service->failure, failure->code, "%s", failure->text);
				if (failure->hint)
					error_hint(&service->failure, "%s", failure->hint);
				service_handle(service, EVENT_PREPARE_FAILED);
				return;
			}
			strv_release(&service->argv);
			strv_release(&service->env);
			if (argv)
				strv_copy(&service->argv, argv);
			if (env)
				strv_copy(&service->env, env);
			service_handle(service, EVENT_PREPARED);
			return;
		}
	}
}

size_t supervisor_each(struct supervisor *sup, const char *project_id, supervisor_each_fn *fn,
                       void *data)
{
	size_t count = 0;

	array_foreach(project, &sup->projects) {
		if (project_id && !str_eq((*project)->id, project_id))
			continue;
		array_foreach(service, &(*project)->services) {
			struct service_snapshot snapshot = service_snapshot_of(*service);

			count++;
			if (fn)
				fn((*project)->id, &snapshot, data);
		}
	}
	return count;
}

bool supervisor_find(struct supervisor *sup, const char *project_id, const char *name,
                     struct service_snapshot *ret)
{
	struct project *project = project_find(sup, project_id);
	struct service *service = project ? supervised_service(project, name) : NULL;

	if (!service)
		return false;
	*ret = service_snapshot_of(service);
	return true;
}
