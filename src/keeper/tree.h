/*
 * tree - the descendants of this process, which must be a subreaper: found by
 * walking /proc, however they forked or changed session, and signalled by pidfd.
 *
 * A walk shows the tree of one moment; processes may fork behind it.  Whoever
 * wants the whole tree gone repeats tree_kill() until waitid(2) says ECHILD.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Can this kernel list children (CONFIG_PROC_CHILDREN)? */
int tree_check(struct error *err);

/* Is that process a descendant now?  False, too, when it is gone. */
bool tree_has(pid_t pid);

/* Sends signo to each descendant that is not in the process group `except` (0: to all). */
void tree_signal(int signo, pid_t except);

/* SIGSTOP until nothing new appears, so that fork bombs converge, then SIGKILL. */
void tree_kill(void);
