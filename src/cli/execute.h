/*
 * execute - this process becomes the command that the daemon described.
 *
 * Standard streams, the terminal, signals and the exit status are then the
 * command's own: nothing stands between it and the user.
 */
#pragma once

#include "base/json.h"

struct cli;
struct error;
struct strv;

/* What a shell says of a command that it cannot run. */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND      127

/* argv with env (the whole of it; NULL: our own) in cwd (NULL: here).  Returns the exit code. */
int execute(struct cli *cli, const struct strv *argv, const struct strv *env, const char *cwd);
