#include "service/supervisor_internal.h"

static const struct service_memory *memory_of(const struct service_memory *memory, size_t count,
                                              const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(memory[i].service, name))
			return &memory[i];
	return NULL;
}

/*
 * Looks for the keeper.  What it finds comes as a status (it lives) or as the end of
 * the run (from the log), and both are events of a service that is starting.
 */
static void look_for_keeper(struct service *service, const struct service_memory *memory)
{
	const struct supervisor_world *world = service->sup->world;
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};

	service->wanted = memory->wanted;
	service->is_held = memory->is_held;
	if (memory->run == 0) {
		if (service->is_held && service->wanted)
			service_handle(service, EVENT_BLOCK);
		else if (service->wanted)
			service_handle(service, EVENT_START);
		return;
	}
	service->run = memory->run;
	free(service->fingerprint);
	service->fingerprint = xstrdup_null(memory->fingerprint);
	/* Its log was read, and will not be read again: much of it may be gone. */
	service->is_told_ready = memory->ready && service->plan.health.kind == PLAN_HEALTH_LOG;
	service->state = SERVICE_STARTING;
	(void)service_set_detail(service, "looking for its keeper");
	service_keeper_spec(service, &spec);
	service->keeper = world->keeper_adopt(&spec, &service_keeper_events, service, world->data);
}

int supervisor_adopt(struct supervisor *sup, const char *project_id,
                     const struct service_plan *plans, size_t count,
                     const struct service_memory *memory, size_t memory_count, struct error *err)
{
	struct project *project;

	if (service_plans_check(plans, count, err) < 0)
		return -1;
	project = project_get(sup, project_id);
	for (size_t i = 0; i < count; i++)
		(void)project_put(project, &plans[i]);
	project_link(project);
	for (size_t i = 0; i < count; i++) {
		const struct service_memory *known = memory_of(memory, memory_count, plans[i].name);
		struct service *service = supervised_service(project, plans[i].name);

		if (known && service_state_is_at_rest(service->state))
			look_for_keeper(service, known);
	}
	return 0;
}
