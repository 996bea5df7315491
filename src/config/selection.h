/*
 * selection - which services a plain `locald up` is for: profiles, and a
 * formation such as foreman's "web=2,worker=0".
 */
#pragma once

#include "base/str.h"
#include "config/project.h"

struct error;

/*
 * Autostart, and one of its profiles is active where it has any.  Naming a
 * service, or depending on it, is stronger than both.
 */
bool service_is_wanted(const struct service_config *service, const struct strv *profiles);

/* A profile that no service has is an error with the nearest name. */
int profiles_check(const struct project_config *project, const struct strv *profiles,
                   struct error *err);
/* Adds those of $LOCALD_PROFILES, which may be unknown: it is for all projects. */
void profiles_from_env(const struct strv *env, struct strv *profiles);

/*
 * Each item is NAME=COUNT, and `all` is every service that is not named.  With 0 a
 * service is not part of a plain `up`.
 */
int formation_apply(struct project_config *project, const struct strv *formation,
                    struct error *err);
