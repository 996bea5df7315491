/*
 * detached_removal - a detached container is ended and forgotten: its log, its place
 * among the projects, and its name.
 *
 * What it leaves in state/containers goes by container_removal, as with any service.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct error;
struct http_exchange;
struct service_snapshot;

/* The "name" of a request, when there is such a container and it stays. */
int detached_find(const struct daemon *daemon, const json_t *request, const char **ret_name,
                  struct error *err);

/* Answers x when it is gone.  request: "name", and "force" for one that runs. */
void detached_remove(struct daemon *daemon, struct http_exchange *x, const json_t *request);
/*
 * One that could not start: x, a stream or NULL, gets this result (taken) once nothing is left
 * of it.
 */
void detached_remove_failed(struct daemon *daemon, const char *name, struct http_exchange *x,
                            json_t *result);

/* One that is to go with its end goes. */
void detached_removal_on_state(struct daemon *daemon, const char *project,
                               const struct service_snapshot *service);
/* What an earlier daemon did not come to. */
void detached_removal_sweep(struct daemon *daemon);
void detached_removal_release(struct daemon *daemon);
