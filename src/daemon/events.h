/*
 * events - tells clients of GET /v1/events each change of a service.
 *
 * A client that does not keep up costs nothing: what it misses is replaced by one
 * {"event":"missed"}, after which it asks for the status.
 */
#pragma once

struct daemon;
struct http_exchange;
struct service_snapshot;

/* `root` NULL: of all projects. */
void events_begin(struct daemon *daemon, struct http_exchange *x, const char *root);
void events_on_state(struct daemon *daemon, const char *project,
                     const struct service_snapshot *service);
void events_release(struct daemon *daemon);
