/*
 * launch_env - the environment a launched process gets from the layers.
 *
 * For each buildpack in order: root directories and env files of its layers; when all
 * that is done, the exec.d programs, whose answers (TOML on descriptor 3) override.
 * `type` is the process type, NULL for a command of the user's own.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

struct error;

struct launch_place {
	const char *layers, *app, *type;
	const json_t *buildpacks; /* [{id, …}] of metadata.toml */
};

/* Without what only the launcher is told, and without our directories in PATH. */
void launch_env_clean(struct strv *env);
int launch_env_apply(const struct launch_place *place, struct strv *env, struct error *err);
/* The profile scripts of layers and application, in order. */
int launch_profiles(const struct launch_place *place, struct strv *ret, struct error *err);
