/*
 * proxy_worker - keeps one `locald proxy` process running and informed.
 *
 * The proxy outlives its daemon, and the next daemon takes it over with its
 * sockets and connections (proxy_before.h); one of another version is replaced
 * by our own on the same sockets, and ends with its last connection.
 *
 * A proxy starts with the first table, so that it never answers without one.
 *
 * Owns the listening sockets, so a proxy that dies is replaced without a port
 * being lost.  proxy_worker_routes() may be called at every change: only the
 * newest table is sent, once the socket takes it.  A proxy that dies again and
 * again is started with growing delays, and said so in the log.
 */
#pragma once

#include "api/paths.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct loop;
struct proxy_worker;

/* program: our own binary. */
struct proxy_worker *proxy_worker_new(struct loop *loop, const char *program,
                                      const struct paths *paths, struct error *err);
/* The proxy goes on and waits for the next daemon, or ends and its port is forgotten. */
void proxy_worker_free(struct proxy_worker *worker, bool goes_on);

int proxy_worker_port(const struct proxy_worker *worker);
pid_t proxy_worker_pid(const struct proxy_worker *worker); /* 0 while there is none */

/* `json` is a whole {"op":"routes",…} message; taken. */
void proxy_worker_routes(struct proxy_worker *worker, char *json);
