/*
 * runtime_scope - a cgroup for the container of an ordinary user, from the user manager
 * of systemd: a transient scope with Delegate=yes, in which locald-shim and the
 * container are (systemd-run --user --scope).
 *
 * Needs cgroup v2 alone, a user manager whose socket is in $XDG_RUNTIME_DIR, and
 * systemd-run.  The manager removes a scope when the last of its processes has ended.
 */
#pragma once

#include "base/str.h"

/* Why there are none for us, for people; NULL: they can be asked for. */
char *runtime_scope_why_not(void) must_check;

/* The words before a command that is to run in a new scope, for the container `id`. */
void runtime_scope_add(struct strv *argv, const char *id);
