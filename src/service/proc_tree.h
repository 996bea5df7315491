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

void proc_tree_read(pid_t root, struct proc_tree *ret);
void proc_tree_release(struct proc_tree *tree);
