/*
 * idmap - writes the id maps of a new user namespace.
 *
 * Directly where the kernel allows it (root, or the caller's own id alone),
 * else by newuidmap(1) and newgidmap(1), both at once.  setgroups(2) is denied
 * wherever the group map was not granted by a privileged program.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct spec;
struct spec_extents;

/* `pid` is in its new namespace and waits. */
int idmap_write(const struct spec_extents *uids, const struct spec_extents *gids, pid_t pid,
                struct error *err);
/* Will the process inside be able to call setgroups(2)? */
bool idmap_can_set_groups(const struct spec *spec);
/* Which id of the host `inside` is; false when it is not mapped. */
bool idmap_outside(const struct spec_extents *map, uint32_t inside, uint32_t *ret);
bool idmap_has(const struct spec_extents *map, uint32_t inside);
