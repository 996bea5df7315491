/*
 * spawn - runs a buildpack's program and waits for it.
 *
 * The child has /dev/null as standard input, the given descriptor as both
 * output and error, and nothing else open but `extra_fd`, which becomes 3.
 */
#pragma once

#include "base/str.h"

#include <sys/types.h>

struct error;

struct spawn {
	const char *const *argv; /* argv[0] is the program's path */
	const struct strv *env;
	const char *cwd; /* NULL: ours */
	int out_fd;      /* its output and error; -1: our own */
	int extra_fd;    /* its descriptor 3; -1: none */
};

/* The pid; the exec may still fail, which the child reports as exit code 126 or 127. */
pid_t spawn_start(const struct spawn *spawn, struct error *err);

/* Exit code, or 128 + signal. */
int spawn_wait(pid_t pid, struct error *err);
