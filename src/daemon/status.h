/* status - projects and services as the control API shows them (docs/openapi.yaml). */
#pragma once

#include "base/json.h"

struct daemon;
struct project;
struct service_snapshot;

/*
 * {"schema":1,"daemon":…,"projects":[…]}; only the project at `root` unless it is NULL.
 * with_usage: looks at /proc for what each service takes.
 */
json_t *status_make(struct daemon *daemon, const char *root, bool with_usage);
json_t *status_of_project(struct daemon *daemon, const struct project *project, bool with_usage);
/* {"event":"service",…} */
json_t *status_event(const struct project *project, const struct service_snapshot *service);
