/*
 * container_run - a one-off container outside of any project, for as long as its
 * client's connection is open (run_container.h).
 *
 * The image is pulled when the store does not have it.  Its volumes with a name are
 * those of the project id CONTAINER_RUN_PROJECT.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct http_exchange;

/* A project's id ends in a hash: this is none's. */
#define CONTAINER_RUN_PROJECT "container"

/* Answers x: progress of the pull, then the result of run_container_begin(). */
void container_run_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request);
/* The daemon leaves: pulls that are under way are called off. */
void container_runs_release(struct daemon *daemon);
