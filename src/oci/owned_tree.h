/*
 * owned_tree - removes directory trees whose files belong to the ids of the
 * caller's map: unpacked layers, writable layers of containers.
 *
 * An ordinary user cannot remove the files of his own subordinate ids, so root of
 * his user namespace does it.  Never follows a symlink.  Blocks.
 */
#pragma once

#include "base/attrs.h"

struct error;

/* Removes `name`, an entry of the caller's directory `dir`; gone is fine. */
int owned_tree_remove(int dir, const char *name, struct error *err);
