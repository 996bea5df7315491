/*
 * operation - one `up`, `stop`, `restart` or `build` that a client waits for.
 *
 * An operation streams events to its client and ends with a result.  A client
 * that goes away calls it off: jobs are killed, and what this operation started
 * is stopped again; what ran before stays.  `up` goes load → images → apply.
 *
 * Request and events: docs/openapi.yaml.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct http_exchange;
struct service_snapshot;

/* Each answers the exchange, at once when the request is wrong. */
void operation_up(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void operation_build(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void operation_stop(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void operation_restart(struct daemon *daemon, struct http_exchange *x, const json_t *request);

/* Tells the clients that wait for this project. */
void operations_on_state(struct daemon *daemon, const char *project,
                         const struct service_snapshot *service);
/* Ends all of them without stopping anything: the daemon is leaving. */
void operations_release(struct daemon *daemon);
