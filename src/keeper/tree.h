/*
 * tree - the processes of a service, however they forked or changed session: found by
 * walking /proc, and signalled by pidfd.
 *
 * They are the descendants of this process, which must be a subreaper.  Those of a keeper that
 * was lost are not: they are found by what they have in common, and by descent from these.
 *
 * A walk shows the tree of one moment; processes may fork behind it.  Whoever
 * wants the whole tree gone repeats tree_kill() until it is.
 */
#pragma once

#include "base/array.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* How to know the tree of a keeper that was lost. */
struct tree_marks {
	const char *run; /* the value of KEEPER_RUN_VARIABLE in the environment */
	pid_t leader;    /* while it is the process that started at start_ticks; 0: none */
	uint64_t start_ticks;
	pid_t session; /* 0: none */
};

/* Those that were sent SIGKILL. */
struct tree_killed {
	ARRAY(struct tree_id {
		pid_t pid;
		uint64_t start_ticks;
	})
	ids;
};

/* Is about to be, or was: counted once. */
void tree_note_killed(struct tree_killed *killed, pid_t pid);

/* Can this kernel list children (CONFIG_PROC_CHILDREN)? */
int tree_check(struct error *err);

/* The marks of a run: the session is the leader's, if that is there. */
struct tree_marks tree_marks_of(const char *run, pid_t leader, uint64_t start_ticks);
/* Has the process this mark in its environment? */
bool tree_is_marked(pid_t pid, const char *run);

/* In all of these, marks == NULL is for the descendants of this process. */

/* Does the process belong to the tree now?  False, too, when it is gone. */
bool tree_has(const struct tree_marks *marks, pid_t pid);
bool tree_is_empty(const struct tree_marks *marks);

/*
 * Sends signo to each member.  `group` is a process group of theirs, which gets it as a whole
 * and first (0: none): nobody else may have its number.
 */
void tree_signal(const struct tree_marks *marks, int signo, pid_t group);

/* SIGSTOP until nothing new appears, so that fork bombs converge, then SIGKILL. */
void tree_kill(const struct tree_marks *marks, struct tree_killed *killed);
