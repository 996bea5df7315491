/*
 * launch_command - what the launcher executes: a process type, or the user's own command.
 *
 *   argv[0] names a process type   that process; arguments replace its default ones
 *   -- cmd args…                   cmd, directly
 *   cmd args…                      cmd, through a shell with the profile scripts
 *
 * Pure: no files, no environment.  Platform API 0.12: a command's first entry is the
 * program, the others always come first among the arguments.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>

struct error;

struct launch_command {
	char *type;    /* NULL for a command of the user's own */
	char *workdir; /* or NULL */
	bool is_direct;
	struct strv words; /* the program and its arguments */
};

void launch_command_release(struct launch_command *command);

/* metadata: of metadata.toml. argv0: the name we were called by.  args: NULL-terminated. */
int launch_command_choose(const json_t *metadata, const char *argv0, const char *const *args,
                          struct launch_command *ret, struct error *err);

/* The arguments of `bash` that source the profiles and then run the words. */
void launch_shell_args(const struct launch_command *command, const char *argv0,
                       const struct strv *profiles, struct strv *ret);
