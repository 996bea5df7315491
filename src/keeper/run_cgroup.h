/*
 * run_cgroup - a cgroup of its own for a run, where one can be made: version 2, and below the
 * one this process is in.
 *
 * It is an accelerator: one write kills all that is in it, however it forks meanwhile.  Nothing
 * relies on it; where there is none the tree (tree.h) is enough.  Its name comes from the mark
 * of the run, so that whoever comes after a keeper that was lost finds it.
 */
#pragma once

#include <stdbool.h>

struct tree_killed;

struct run_cgroup {
	int dir; /* -1: there is none */
	char *path;
};

#define RUN_CGROUP_INIT                                                                            \
	{                                                                                          \
		.dir = -1                                                                          \
	}

/* The folder where cgroups of runs are made; NULL: none can be made. */
char *run_cgroup_parent(void);

/* Makes it, or with `find` takes the one that is there; without one, ret->dir stays -1. */
void run_cgroup_open(struct run_cgroup *ret, const char *run_mark, bool find);
void run_cgroup_release(struct run_cgroup *cgroup);

/* A descriptor to which a process writes "0" to be in it; -1: none. */
int run_cgroup_entrance(const struct run_cgroup *cgroup);
bool run_cgroup_is_empty(const struct run_cgroup *cgroup);
void run_cgroup_kill(const struct run_cgroup *cgroup, struct tree_killed *killed);
/* With those that its processes have made below it, once all are empty. */
void run_cgroup_remove(struct run_cgroup *cgroup);
