/*
 * runtime_limits - which limits of a container can be set on this machine by this
 * user; `locald-shim limits` finds out by trying.
 *
 * A limit that cannot be set is taken out of the request with a line for people:
 * the container runs without it, and that is told.  Blocks for some milliseconds.
 */
#pragma once

#include "oci/runtime_config.h"

struct runtime_limits_means {
	bool is_scoped;     /* in a scope of systemd (runtime_scope.h), not where we are */
	char *why_no_scope; /* one would have been needed; owned, or NULL */
};

/* means: all zero before.  {"cpu": null, "memory": "why not", "pids": null}: at best, and by what
 * means. */
json_t *runtime_limits_probe(const char *shim, struct runtime_limits_means *means,
                             struct error *err) must_check;

/* Nothing is tried when nothing is limited.  True: the container needs a scope for its limits. */
bool runtime_limits_adjust(const char *shim, struct container_request *request,
                           struct strv *warnings);
