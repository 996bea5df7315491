#include "service/supervisor_internal.h"

enum dep_verdict { DEP_HOLDS, DEP_PENDING, DEP_HOPELESS };

static bool has_completed(const struct service *service)
{
	return service->state == SERVICE_EXITED && service->last_exit.is_known &&
	       service_plan_is_success(&service->plan, service->last_exit.code);
}

static bool holds(const struct service *on, enum dep_condition condition)
{
	switch (condition) {
	case DEP_READY:
		/* What has no probe is ready as soon as it runs, and may be about to fail. */
		return on->ready && on->has_settled;
	case DEP_STARTED:
		return on->state == SERVICE_RUNNING || on->state == SERVICE_UNHEALTHY ||
		       has_completed(on);
	case DEP_COMPLETED:
		return has_completed(on);
	}
	return false;
}

/* Is it on its way, as far as anyone can tell? */
static bool is_coming(const struct service *on, enum dep_condition condition)
{
	switch (on->state) {
	case SERVICE_WAITING:
		return on->failure.code == 0;
	case SERVICE_PREPARING:
	case SERVICE_STARTING:
		return true;
	case SERVICE_RUNNING:
	case SERVICE_UNHEALTHY:
		return condition == DEP_COMPLETED || !on->is_overdue;
	case SERVICE_STOPPING:
		return on->starts_after;
	case SERVICE_CRASHED:
	case SERVICE_EXITED:
		return on->has_next_try && on->crashes < CRASHES_FOR_FAILURE;
	case SERVICE_SCHEDULED:
	case SERVICE_STOPPED:
	case SERVICE_BLOCKED:
	case SERVICE_STATE_COUNT:
		break;
	}
	return false;
}

static enum dep_verdict judge(const struct service_link *link)
{
	const struct service *on = link->on;

	if (!on || on->is_removed)
		return DEP_HOPELESS;
	if (on->is_doomed)
		return DEP_PENDING;
	if (holds(on, link->condition))
		return DEP_HOLDS;
	return is_coming(on, link->condition) ? DEP_PENDING : DEP_HOPELESS;
}

static void explain_hopeless(struct service *service, size_t index)
{
	const char *name = service->plan.deps.items[index].name;
	const struct service *on = service->links.items[index].on;

	error_set(&service->failure, ERR_FAILED, "%s, which it depends on, %s%s", name,
	          on && on->is_overdue ? "is not ready"
	          : on                 ? "is "
	                               : "is not there",
	          on && !on->is_overdue ? service_state_name(on->state) : "");
}

void service_check_deps(struct service *service)
{
	bool is_pending = false;

	for (size_t i = 0; i < service->links.len && !service->ignores_deps; i++) {
		enum dep_verdict verdict = judge(&service->links.items[i]);

		if (verdict == DEP_HOPELESS) {
			explain_hopeless(service, i);
			service_handle(service, EVENT_DEPS_FAILED);
			return;
		}
		if (verdict == DEP_PENDING && !is_pending) {
			is_pending = true;
			if (service_set_detail(service, "waits for %s",
			                       service->plan.deps.items[i].name))
				service_changed(service);
		}
	}
	if (is_pending)
		error_release(&service->failure);
	else
		service_handle(service, EVENT_DEPS_READY);
}
