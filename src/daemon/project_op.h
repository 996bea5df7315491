/*
 * project_op - one `up`, `stop`, `restart` or `build` that a client waits for, or a reload.
 *
 * An operation streams events to its client and ends with a result.  A client
 * that goes away calls it off: jobs are killed, and what this operation started
 * is stopped again; what ran before stays.  `up` goes load → images → apply.
 *
 * Request and events: docs/openapi.yaml.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>

struct config_inputs;
struct daemon;
struct http_exchange;
struct project;
struct project_config;
struct service_snapshot;
struct strv;

/* Each answers the exchange, at once when the request is wrong. */
void project_op_up(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_build(struct daemon *daemon, struct http_exchange *x, const json_t *request);
/* Starts what one service depends on, then tells how to run a command as that service. */
void project_op_run(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_stop(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void project_op_restart(struct daemon *daemon, struct http_exchange *x, const json_t *request);

/*
 * Applies a configuration that was read again, with nobody waiting for it: restarts
 * what changed, starts what came with autostart and what is `owed`, stops what is not in
 * it any more.  Takes config and what is in inputs.
 */
void project_op_reload(struct daemon *daemon, const struct project *project,
                       struct project_config *config, struct config_inputs *inputs,
                       const char *commit, const struct strv *owed);
/* A reload does not count: the next one takes its place. */
bool project_op_is_under_way(const struct daemon *daemon, const char *project);
/* Is a reload of this very content making images? */
bool project_op_is_reloading(const struct daemon *daemon, const char *project,
                             const struct config_inputs *inputs);
/* Its services go back to those that are owed.  before_apply: only one that still makes images. */
void project_op_cancel_reload(struct daemon *daemon, const char *project, bool before_apply);

/* Tells the clients that wait for this project. */
void project_ops_on_state(struct daemon *daemon, const char *project,
                          const struct service_snapshot *service);
/* Ends all of them without stopping anything: the daemon is leaving. */
void project_ops_release(struct daemon *daemon);
