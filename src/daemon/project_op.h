/*
 * project_op - one `up`, `stop`, `restart` or `build` that a client waits for.
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
void project_op_up(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_build(struct daemon *daemon, struct http_exchange *x, const json_t *request);
/* Starts what one service depends on, then tells how to run a command as that service. */
void project_op_run(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_stop(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_restart(struct daemon *daemon, struct http_exchange *x, const json_t *request);

/* Tells the clients that wait for this project. */
void project_ops_on_state(struct daemon *daemon, const char *project,
                          const struct service_snapshot *service);
/* Ends all of them without stopping anything: the daemon is leaving. */
void project_ops_release(struct daemon *daemon);
