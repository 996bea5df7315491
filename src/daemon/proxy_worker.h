/*
 * proxy_worker - keeps one `locald proxy` process running and informed.
 *
 * Owns the listening sockets, so a proxy that dies is replaced without a port
 * being lost.  proxy_worker_routes() may be called at every change: only the
 * newest table is sent, once the socket takes it.  A proxy that dies again and
 * again is started with growing delays, and said so in the log.
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;
struct loop;
struct proxy_worker;

/*
 * program: our own binary.  memory: a file that remembers port and process for as
 * long as the daemon lives: one that was killed is followed by one on the same
 * port, once the orphaned proxy has gone (waits for that, briefly).
 */
struct proxy_worker *proxy_worker_new(struct loop *loop, const char *program, const char *memory,
                                      struct error *err);
/* Ends the proxy and forgets the port. */
void proxy_worker_free(struct proxy_worker *worker);

int proxy_worker_port(const struct proxy_worker *worker);
pid_t proxy_worker_pid(const struct proxy_worker *worker); /* 0 while there is none */

/* `json` is a whole {"op":"routes",…} message; taken. */
void proxy_worker_routes(struct proxy_worker *worker, char *json);
