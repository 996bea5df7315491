/*
 * client - the blocking side of the control API: one connection to daemon.sock.
 *
 * One request at a time.  An answer that is an error becomes `struct error`, and
 * its diagnostics stay with the client until the next request.  Closing the
 * connection while an answer is coming is how an operation is cancelled.
 *
 * Every wait ends at once when client_watch.interrupt_fd becomes readable (a
 * signalfd, or -1): the call fails with ERR_INTERRUPTED.
 *
 * Blocks.  Not for the daemon.  Protocol: docs/openapi.yaml.
 */
#pragma once

#include "base/json.h"

struct client;
struct error;

struct client_watch {
	int interrupt_fd;            /* -1: none */
	int tick_ms;                 /* 0: no ticks */
	void (*on_tick)(void *data); /* while waiting, every tick_ms */
	void (*on_idle)(
		void *data); /* before each wait; may be NULL: what came so far is all there is */
	/* When also_fd is readable meanwhile; -1 ends the call with that error.  NULL: none. */
	int (*on_also)(void *data, struct error *err);
	int also_fd;
	void *data;
};

/*
 * Connects to the socket at `path`.  ENOENT or ECONNREFUSED in err->code when no daemon is there;
 * a path longer than a socket address may be is fine.
 */
struct client *client_connect(const char *path, struct error *err);
void client_free(struct client *client);
DEFINE_FREEP(client)

/* `watch` is copied; NULL ends watching. */
void client_watch(struct client *client, const struct client_watch *watch);

/* One JSON object for an answer; NULL on failure. `body` may be NULL. */
json_t *client_call(struct client *client, const char *method, const char *target,
                    const json_t *body, struct error *err) must_check;

/* One object of an NDJSON answer, borrowed.  Returning -1 ends the stream with that error. */
typedef int client_line_fn(json_t *line, void *data, struct error *err);
int client_stream(struct client *client, const char *method, const char *target, const json_t *body,
                  client_line_fn *fn, void *data, struct error *err);

/* Did the last request fail because the daemon closed the connection? */
bool client_is_lost(const struct client *client);

/*
 * Lets the connection outlive an execve(2), so that the daemon sees when the program ends.
 * Only between the lines of a stream: client_line_fn.
 */
int client_pass_on(struct client *client, struct error *err);

/* A pidfd of the daemon, to see it end; -1 with ESRCH when it has ended already. */
int client_daemon_pidfd(const struct client *client, struct error *err);

/* The diagnostics array of the last failed request; borrowed, NULL when there was none. */
const json_t *client_diagnostics(const struct client *client);
