/*
 * launch - starts the service's program: own process group, /dev/null and two
 * pipes as stdio, no other descriptor, default signals, and a larger
 * oom_score_adj than its keeper's.
 */
#pragma once

#include <sys/types.h>

struct error;

struct launch {
	char *const *argv, *const *env; /* NULL-terminated; PATH is looked up in env */
	const char *cwd;
	int out, err; /* become 1 and 2 */
};

/* The pid once execve has succeeded; -1 with the errno of what went wrong as code. */
pid_t launch_program(const struct launch *launch, struct error *err);
