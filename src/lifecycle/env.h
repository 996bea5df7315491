/*
 * env - the environment of buildpacks and of launched processes.
 *
 * An environment is a struct strv of NAME=value.  Layers change it in two ways:
 * their root directories (bin, lib, …) go in front of path variables, and the files of
 * an env directory name a variable and an action, such as PATH.prepend.
 *
 * Bytes of a file are the value as they are.  See "Environment Variable Modification
 * Rules" of the Buildpack specification.
 */
#pragma once

#include "base/str.h"

struct error;

#define ENV_VALUE_MAX (1024 * 1024) /* bytes of one env file */

enum env_action {
	ENV_OVERRIDE,
	ENV_DEFAULT,
	ENV_APPEND,
	ENV_PREPEND,
};

/* One modification; `delim` may be NULL. */
void env_modify(struct strv *env, const char *name, enum env_action action, const char *value,
                const char *delim);

/* What a buildpack may see of the container's own environment. */
void env_pass_through(struct strv *env, const char *const *from);

/*
 * Applies every file of a directory in the order of names; a missing directory is empty.  A
 * file without a suffix has the action `plain`.
 */
int env_apply_dir(struct strv *env, const char *dir, enum env_action plain, struct error *err);

/* <platform>/env: a variable for each file; path variables go in front of what is there. */
int env_apply_platform(struct strv *env, const char *dir, struct error *err);

/* The root directories of a layer: those used at build, or the fewer used at launch. */
void env_add_layer_build(struct strv *env, const char *layer);
void env_add_layer_launch(struct strv *env, const char *layer);

/* Takes a directory out of PATH, wherever it is there. */
void env_path_remove(struct strv *env, const char *dir);
