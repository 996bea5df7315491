#include "daemon/routes.h"

#include "base/json.h"
#include "daemon/daemon.h"

/* To a visitor every state before ready is one: wait, it is coming. */
static const char *state_of(const struct service_snapshot *service)
{
	switch (service->state) {
	case SERVICE_WAITING:
	case SERVICE_PREPARING:
	case SERVICE_STARTING:
		return "starting";
	case SERVICE_RUNNING:
		return service->ready ? "running" : "starting";
	case SERVICE_UNHEALTHY:
	case SERVICE_STOPPING:
	case SERVICE_STOPPED:
	case SERVICE_EXITED:
	case SERVICE_CRASHED:
	case SERVICE_BLOCKED:
	case SERVICE_SCHEDULED:
	case SERVICE_STATE_COUNT:
		break;
	}
	return service_state_name(service->state);
}

/* Of a service's replicas the one that says most to a visitor, and the ports of all that answer. */
struct group {
	struct service_snapshot best;
	int rank; /* of best: 0 answers, 1 is coming, 2 neither; -1: there is none yet */
	json_t *ports;
};

static int rank_of(const struct service_snapshot *service)
{
	if (str_eq(state_of(service), "starting"))
		return 1;
	return service->state == SERVICE_RUNNING && !service->is_port_stolen ? 0 : 2;
}

static int port_of(const struct service_snapshot *service)
{
	return service->is_port_stolen ? 0 : service->port ? service->port : service->plan->port;
}

static void add_to_group(struct group *group, const struct service_snapshot *service)
{
	int rank = rank_of(service);

	if (rank == 0)
		json_array_append_new(group->ports, json_integer(port_of(service)));
	if (group->rank >= 0 && group->rank <= rank)
		return;
	group->best = *service;
	group->rank = rank;
}

static void add_routes(json_t *routes, const struct project *project,
                       const struct service_extra *extra, const struct group *group)
{
	const struct service_snapshot *service = &group->best;

	for (size_t host = 0; host < extra->hosts.len; host++) {
		json_t *route = json_object();

		json_set_str(route, "host", extra->hosts.items[host]);
		json_set_str(route, "project", project->name);
		json_set_str(route, "service", plan_service(service->plan));
		json_set_int(route, "port", port_of(service));
		if (json_array_size(group->ports) > 1)
			json_object_set(route, "ports", group->ports);
		json_set_str(route, "state", state_of(service));
		json_set_str(route, "detail", service->detail ? service->detail : "");
		json_object_set_new(route, "log",
		                    service->last_lines ? json_from_strv(service->last_lines)
		                                        : json_array());
		json_array_append_new(routes, route);
	}
}

/* Replicas are beside each other.  Returns how many plans were one service. */
static size_t add_service(json_t *routes, struct daemon *daemon, const struct project *project,
                          size_t first)
{
	const char *name = plan_service(&project->plans.items[first]);
	cleanup_json json_t *ports = json_array();
	struct group group = {.rank = -1, .ports = ports};
	size_t i = first;

	for (; i < project->plans.len; i++) {
		const struct service_plan *plan = &project->plans.items[i];
		struct service_snapshot service;

		if (!str_eq(plan_service(plan), name))
			break;
		if (supervisor_find(daemon->supervisor, project->id, plan->name, &service))
			add_to_group(&group, &service);
	}
	if (group.rank >= 0)
		add_routes(routes, project, &project->extras.items[first], &group);
	return i - first;
}

char *routes_make(struct daemon *daemon, uint64_t version)
{
	cleanup_json json_t *message = json_object();
	json_t *routes = json_array();

	json_set_str(message, "op", "routes");
	json_set_int(message, "version", (int64_t)version);
	array_foreach(slot, &daemon->projects) {
		const struct project *project = *slot;

		for (size_t i = 0; i < project->plans.len;)
			i += add_service(routes, daemon, project, i);
	}
	json_object_set_new(message, "routes", routes);
	return json_text(message);
}
