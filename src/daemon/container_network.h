/*
 * container_network - a container's network of its own, on this machine: the relay that
 * carries its connections, and the hook by which its start registers there.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct error;

/*
 * "network" in the parameters of a bundle job, as compose_network() made it, becomes what
 * the job needs: {"hook":[argument,…], "hosts":["address name",…]}.  The relay is started
 * where there is none.  With "open" its ports take connections at once, nobody says when.
 */
int container_network_fill(struct daemon *daemon, json_t *params, const char *id,
                           struct error *err);

/* What runs from before this daemon is carried again, if its relay has died meanwhile. */
void container_networks_restore(struct daemon *daemon);
/*
 * There is another relay: a container that runs is registered there.  network as
 * compose_network() made it, or NULL; inside_port: where it listens instead, 0: as composed.
 */
void container_network_register(struct daemon *daemon, const char *id, const json_t *network,
                                int inside_port);
/* The same for all that are services. */
void container_networks_register(struct daemon *daemon);
