/*
 * namespaces - makes the first process in its namespaces, new ones and joined ones.
 *
 * With new namespaces only it is one clone3(2).  Where some are joined by path, a
 * process in between enters them first, because a pid namespace is entered by
 * children only, and makes the process as our child (CLONE_PARENT).
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;
struct plan;
struct spec;

/* Descriptors of the namespaces that are joined; -1 for the others. */
int namespaces_open(const struct spec *spec, int fds[], struct error *err);
/*
 * The child runs init_main(); its pid is returned.  cgroup is a v2 directory for
 * it or -1; parent_sync is our end of plan->sync.
 */
pid_t namespaces_clone(struct plan *plan, const int joined[], int cgroup, int parent_sync,
                       struct error *err);
