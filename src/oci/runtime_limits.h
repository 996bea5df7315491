/*
 * runtime_limits - which limits of a container can be set on this machine by this
 * user; `locald-shim limits` finds out by trying.
 *
 * A limit that cannot be set is taken out of the request with a line for people:
 * the container runs without it, and that is told.  Blocks for some milliseconds.
 */
#pragma once

#include "oci/runtime_config.h"

/* {"cpu": null, "memory": "why not", "pids": null} */
json_t *runtime_limits_probe(const char *shim, struct error *err) must_check;

/* Nothing is tried when nothing is limited. */
void runtime_limits_adjust(const char *shim, struct container_request *request,
                           struct strv *warnings);
