/*
 * detached - containers that go on by themselves, outside of any project.
 *
 * Each is a project of one service with the same name, so it is kept like any
 * other: by a keeper, over restarts of the daemon, with a log.  Its folder,
 * paths_detached_dir()/NAME, stands for the project's, and takes the name until
 * the container is removed (detached_removal.h).
 */
#pragma once

#include "base/json.h"

struct daemon;
struct error;
struct http_exchange;
struct project;
struct service_snapshot;

struct detached_request {
	const char *name, *stem; /* name NULL: the first free one of stem, stem-2, … */
	const json_t *bundle;    /* parameters of the bundle job without paths */
	const json_t *defaults;  /* what the image says about running it; may be NULL */
	bool has_stdin, is_removed_after;
};

/* -1 with ERR_CONFLICT when there is a container of this name, or a published port is held. */
int detached_check(struct daemon *daemon, const char *name, const json_t *bundle,
                   struct error *err);
/*
 * Answers x, whose stream has begun, when the container's program runs or has ended, or could not
 * be executed: then nothing is left of it.
 */
void detached_begin(struct daemon *daemon, struct http_exchange *x,
                    const struct detached_request *request);
/*
 * request: "name", and "restart" for one that runs.  The same image, options and volumes, in a
 * new writable layer; answers x as detached_begin() does, but whatever becomes of it, it stays.
 */
void detached_start(struct daemon *daemon, struct http_exchange *x, const json_t *request);
void detached_list(struct daemon *daemon, struct http_exchange *x);

/* The folder that stands for it. */
char *detached_root(const struct daemon *daemon, const char *name) must_check;
bool detached_is(const struct daemon *daemon, const struct project *project);
void detached_on_state(struct daemon *daemon, const char *project,
                       const struct service_snapshot *service);
/* The daemon leaves; containers go on. */
void detached_release(struct daemon *daemon);
