/*
 * launch - starts the service's program: own process group, or session with a
 * terminal; no descriptor but its stdio, default signals, and a larger
 * oom_score_adj than its keeper's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct launch {
	char *const *argv, *const *env; /* NULL-terminated; PATH is looked up in env */
	const char *cwd;
	int in, out, err;  /* become 0, 1 and 2; -1: /dev/null */
	int cgroup;        /* where "0" is written first: run_cgroup_entrance(); -1: nowhere */
	bool has_terminal; /* `in` is a terminal, to control a session of its own */
};

/* The pid once execve has succeeded; -1 with the errno of what went wrong as code. */
pid_t launch_program(const struct launch *launch, struct error *err);
