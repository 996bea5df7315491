/*
 * service_watch - restarts services whose watched files change (`watch`).
 *
 * After a change things must be quiet for the service's debounce.  A service
 * whose files change each time it starts is left alone after a few times, with a
 * warning; service_watch_begin() makes it watched anew.  One with `build` is
 * owed to the next reload, which builds it first.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct project;
struct service_plan;

/* Watches for the services of the project as they are now, instead of what was before. */
void service_watch_begin(struct daemon *daemon, const struct project *project);
void service_watch_end(struct daemon *daemon, const char *project_id);
void service_watch_release(struct daemon *daemon);

/* Adds "watch" to the object and to the warnings, where there is something to say. */
void service_watch_to_status(const struct daemon *daemon, const char *project_id,
                             const struct service_plan *plan, json_t *object, json_t *warnings);
