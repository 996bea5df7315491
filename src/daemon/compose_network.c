#include "daemon/compose_network.h"

#include "base/mem.h"
#include "daemon/project.h"

/* 127.108.0.1 and on, one for each service. */
#define PEER_NETWORK "127.108"

void compose_network_plan(const struct service_config *service, bool is_container,
                          struct service_plan *plan)
{
	plan->has_own_network = is_container && service->network != NETWORK_HOST;
	if (plan->has_own_network && plan->port > 0)
		plan->inside_port = service->container_port ? service->container_port : plan->port;
}

/* Is it the plan itself that `service` names? */
static bool is_self(const struct project *project, size_t from, const char *service)
{
	const struct service_plan *plan = &project->plans.items[from];

	return str_eq(service, plan->name) || str_eq(service, plan_service(plan));
}

char *compose_network_host(const struct project *project, size_t from, const char *service)
{
	bool by_name =
		project->plans.items[from].has_own_network && !is_self(project, from, service);

	return xstrdup(by_name ? service : "127.0.0.1");
}

int compose_network_port(const struct project *project, size_t from, const char *service)
{
	const struct service_plan *plan = &project->plans.items[from];
	int i = project_index(project, service);

	if (plan->has_own_network && is_self(project, from, service))
		return plan->inside_port;
	return i < 0 ? 0 : project->plans.items[i].port;
}

static json_t *pair(int a, int b)
{
	return json_pack("[i,i]", a, b);
}

static json_t *peer_of(const struct project *project, const struct service_plan *own, size_t i)
{
	const struct service_plan *plan = &project->plans.items[i];
	json_t *peer = json_object(), *names = json_array(), *ports = json_array();

	json_object_set_new(peer, "address",
	                    json_sprintf(PEER_NETWORK ".%zu.%zu", (i + 1) / 256, (i + 1) % 256));
	/* The first replica stands for all. */
	if (plan->group && project_index(project, plan->group) == (int)i)
		json_array_append_new(names, json_string(plan->group));
	json_array_append_new(names, json_string(plan->name));
	json_object_set_new(peer, "names", names);
	json_array_append_new(ports, pair(plan->port, plan->port));
	if (plan->has_own_network && plan->inside_port != plan->port &&
	    plan->inside_port != own->inside_port)
		json_array_append_new(ports, pair(plan->inside_port, plan->port));
	json_object_set_new(peer, "ports", ports);
	return peer;
}

json_t *compose_network(const struct project *project, size_t of,
                        const struct service_config *service)
{
	const struct service_plan *own = &project->plans.items[of];
	json_t *network, *publish, *peers;

	if (!own->has_own_network)
		return NULL;
	network = json_object();
	publish = json_array();
	peers = json_array();
	if (own->has_port)
		json_array_append_new(publish, pair(own->port, own->inside_port));
	for (size_t i = 0; i < project->plans.len; i++)
		if (service->network == NETWORK_PRIVATE && i != of &&
		    project->plans.items[i].port > 0)
			json_array_append_new(peers, peer_of(project, own, i));
	json_set_bool(network, "alone", service->network == NETWORK_NONE);
	json_object_set_new(network, "publish", publish);
	json_object_set_new(network, "peers", peers);
	return network;
}
