/*
 * tree - detached mounts: made or cloned first, attached through descriptors.
 *
 * The new mount API (Linux 5.12) never looks up a target by path, which is
 * what makes mounting into a hostile root safe.  A tree is a descriptor that
 * fsmount(2) or open_tree(2) returned; it may be attached once.
 *
 * Runs in the child: allocates nothing but the text of an error.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct strv;

/* A new file system; each word of data is "key=value" or "flag".  data may be NULL. */
int tree_make(const char *type, const char *source, const struct strv *data, uint64_t attr,
              struct error *err);
/* A clone of what is at dirfd/path ("" for dirfd itself), with all below when recursive. */
int tree_clone(int dirfd, const char *path, bool recursive, struct error *err);
int tree_attach(int tree, int target, struct error *err);
int tree_set_attr(int tree, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive,
                  struct error *err);

/* Shows the ids of its file system as the user namespace maps them; before it is attached. */
int tree_map_ids(int tree, int userns, bool recursive, struct error *err);

/* The step-by-step form, for parameters that are not words. */
int tree_begin(const char *type, struct error *err);
int tree_param(int context, const char *key, const char *value, struct error *err);
int tree_finish(int context, uint64_t attr, struct error *err);
