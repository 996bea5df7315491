/*
 * child - starts a program with exactly the descriptors that are listed.
 *
 * child_spawn() returns once execve has succeeded or says why it failed
 * ("exec foo: No such file or directory"): a CLOEXEC pipe carries the errno.
 * The child gets default signal dispositions, an empty signal mask, and no
 * descriptor but those of `fds`.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

struct child_fd {
	int from; /* a descriptor of ours; -1 means /dev/null */
	int to;   /* its number in the child */
};

struct child_spec {
	const char *path;        /* the program; looked up in PATH when it has no slash */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated; NULL: our own */
	const char *cwd;         /* NULL: ours */
	const struct child_fd *fds;
	size_t nfds;          /* descriptors 0, 1, 2 that are not listed become /dev/null */
	bool new_session;     /* setsid(2) */
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
};

/* Returns the pid; blocks until the exec has happened. */
pid_t child_spawn(const struct child_spec *spec, struct error *err);
