/*
 * shutdown - `POST /v1/shutdown`: the daemon leaves, after its services when asked, or for the next
 * daemon, which takes over everything.
 */
#pragma once

#include <jansson.h>

struct daemon;
struct http_exchange;

/* `how`: {"services": stop them too, "restart": another daemon comes at once}. */
void shutdown_begin(struct daemon *daemon, struct http_exchange *x, const json_t *how);
