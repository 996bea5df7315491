/*
 * changes - why a service would have to be restarted, for people to read.
 *
 * Compares what two fingerprints of a service were made of (service_extra.made_of).
 * Values are shown as the configuration writes them, and only those of names that
 * do not look secret; what comes from the shell or an env file is named only.
 */
#pragma once

#include "base/json.h"
#include "config/project.h"

#include <stdbool.h>

/*
 * [{"what":"env LOG_LEVEL","before":"info","after":"debug","file":"locald.toml","line":17}];
 * before, after and the place are left out where there is none to show.
 */
json_t *changes_between(const char *before, const char *after, const struct project_config *config,
                        const struct service_config *service);

/* "DATABASE_PASSWORD", "API_KEY" */
bool changes_is_secret(const char *name);
