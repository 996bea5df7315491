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
	case SERVICE_STATE_COUNT:
		break;
	}
	return service_state_name(service->state);
}

static void add_routes(json_t *routes, const struct project *project, size_t i,
                       const struct service_snapshot *service)
{
	const struct service_extra *extra = &project->extras.items[i];
	int port = service->is_port_stolen ? 0
	           : service->port         ? service->port
	                                   : service->plan->port;

	for (size_t host = 0; host < extra->hosts.len; host++) {
		json_t *route = json_object();

		json_set_str(route, "host", extra->hosts.items[host]);
		json_set_str(route, "project", project->name);
		json_set_str(route, "service", service->plan->name);
		json_set_int(route, "port", port);
		json_set_str(route, "state", state_of(service));
		json_set_str(route, "detail", service->detail ? service->detail : "");
		json_object_set_new(route, "log",
		                    service->last_lines ? json_from_strv(service->last_lines)
		                                        : json_array());
		json_array_append_new(routes, route);
	}
}

char *routes_make(struct daemon *daemon, uint64_t version)
{
	cleanup_json json_t *message = json_object();
	json_t *routes = json_array();

	json_set_str(message, "op", "routes");
	json_set_int(message, "version", (int64_t)version);
	array_foreach(slot, &daemon->projects) {
		const struct project *project = *slot;

		for (size_t i = 0; i < project->plans.len; i++) {
			struct service_snapshot service;

			if (supervisor_find(daemon->supervisor, project->id,
			                    project->plans.items[i].name, &service))
				add_routes(routes, project, i, &service);
		}
	}
	json_object_set_new(message, "routes", routes);
	return json_text(message);
}
