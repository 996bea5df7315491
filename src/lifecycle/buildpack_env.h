/*
 * buildpack_env - the environment a buildpack's program runs in.
 *
 * What the container may pass on, then what layers changed, then what the user
 * set (<platform>/env) unless the buildpack clears it, then the operator's settings,
 * then the CNB_ variables of its API.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

struct buildpack;
struct error;
struct platform;

/* The image the application will run on. */
struct target {
	char *os, *arch, *variant, *distro, *distro_version;
};

void target_release(struct target *target);
/* From analyzed.toml, and from this root file system for what it does not say. */
int target_read(const struct platform *platform, struct target *ret, struct error *err);
/* Does one of a buildpack's [[targets]] (NULL: any) match? */
bool target_matches(const struct target *target, const json_t *targets);

/* `base` is what layers made of the container's environment; a copy of it is changed. */
int buildpack_env(const struct platform *platform, const struct buildpack *buildpack,
                  const struct target *target, const struct strv *base, struct strv *ret,
                  struct error *err);
