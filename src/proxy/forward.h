/*
 * forward - a client's request to the service its host names, and the answer
 * back.  Inner header of the proxy; proxy/client.h has the states.
 *
 * Bodies pass through as they come: each direction stops reading while the other
 * side has more queued than it can send.  A request is sent twice only when it
 * is idempotent, has no body, and a connection that was pooled, or that of one of
 * several replicas, ended before its answer began; a request that is not idempotent
 * gets a connection of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct client;
struct proxy;

extern const struct upstream_events forward_events;

/* A head has arrived; sends it on, holds it, or answers with a page. */
void forward_request(struct client *client);
/* The table has changed: look again for one that waits. */
void forward_look_again(struct client *client);
void forward_waited_too_long(struct client *client);

bool forward_is_blocked(const struct client *client);
void forward_body(struct client *client, const void *data, size_t len);
void forward_end(struct client *client);
/* Writes what was gathered for the service. */
void forward_flush(struct client *client);
void forward_client_drained(struct client *client);
/* Gives up the connection to the service, if there is one. */
void forward_cancel(struct client *client);

/* A client has left the proxy's list (proxy.c). */
void proxy_client_gone(struct proxy *proxy);
