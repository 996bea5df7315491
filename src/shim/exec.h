/*
 * exec - the last steps before a program of the container runs: who it is,
 * what it may do, and finding it.
 *
 * Shared by the container's first process and by `exec`.  Everything happens
 * inside the container, after pivot_root; exec_program() returns only on failure.
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;
struct plan_exec;
struct spec_process;

/* struct error's codes for a command that cannot be run; the shim exits with 127 and 126. */
enum exec_failure { EXEC_NOT_FOUND = 2001, EXEC_NOT_EXECUTABLE };

/* Finds args[0] as the shell would; fills path[PATH_MAX]. */
int exec_find(const struct plan_exec *exec, char *path, struct error *err);
/* Enters process.cwd and insists that it lies in the container. */
int exec_enter_cwd(const struct plan_exec *exec, struct error *err);
/* HOME of the user from the container's /etc/passwd, when the environment has none. */
void exec_set_home(const struct plan_exec *exec);
/* Makes fd the controlling terminal and standard input, output and error. */
int exec_take_terminal(int fd, struct error *err);
/* Gives pipes on standard input and output to the user that will reopen them. */
void exec_own_stdio(const struct spec_process *process);
/* SIGKILL when the shim dies; to be said again after each change of ids, which ends it. */
int exec_die_with_parent(const struct plan_exec *exec, struct error *err);
/*
 * Identity, limits, capabilities, seccomp; then path is executed.  `report` is where
 * the caller will tell a failure; behind a filter others may have to.
 */
int exec_program(const struct plan_exec *exec, const char *path, int report, struct error *err);
/* What the parent must do for a process that cannot: hard limits, OOM score. */
int exec_prepare_from_outside(const struct spec_process *process, pid_t pid, int proc,
                              struct error *err);
