/*
 * proc_tree - a process and its descendants, as /proc shows them now.
 *
 * For looking at a service's tree from outside; its keeper, who is its subreaper,
 * knows better (keeper/tree.h).  Blocks on /proc only.
 */
#pragma once

#include "base/array.h"

#include <sys/types.h>

#define PROC_TREE_MAX 4096

struct proc_tree {
	ARRAY(pid_t) pids; /* parents before their children */
};

/* Of one process; that it has one thread, where that is known, saves a look for others. */
void proc_tree_add_children(struct proc_tree *tree, pid_t pid, int threads);
void proc_tree_read(pid_t root, struct proc_tree *ret);
void proc_tree_release(struct proc_tree *tree);
