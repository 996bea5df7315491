/*
 * compose_network - the network of a container: which ports are published, and where
 * inside it the project's other services are.
 *
 * In a network of its own a service is called by its name (/etc/hosts), at the port it
 * has on the host: that number is the service's alone.  The port that a container's
 * program listens on works too, unless the calling container needs it for itself.
 */
#pragma once

#include "base/json.h"
#include "config/project.h"

struct project;
struct service_plan;

/* Sets how the plan of a service is reached; its `port` is chosen already. */
void compose_network_plan(const struct service_config *service, bool is_container,
                          struct service_plan *plan);

/* What the plan at index `from` calls that service: owned; and its port, 0 when it has none. */
char *compose_network_host(const struct project *project, size_t from, const char *service);
int compose_network_port(const struct project *project, size_t from, const char *service);

/*
 * {"alone","publish":[[host,inside],…],
 * "peers":[{"address","names":[…],"ports":[[inside,host],…]},…]} (alone: it has nothing but
 * loopback) of the service's plan at index `of`, if it has a network of its own; else NULL.
 */
json_t *compose_network(const struct project *project, size_t of,
                        const struct service_config *service);
