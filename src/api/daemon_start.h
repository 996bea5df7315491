/*
 * daemon_start - finds the daemon, and starts it when there is none.
 *
 * However many callers come at once, one daemon starts: connect; if nobody
 * answers take daemon.lock, connect again, and only then start.  The starter
 * runs `locald daemon --ready-fd N --lock-fd M` in a session of its own, with
 * stderr on daemon.log.  The daemon inherits the lock, so it stays taken even
 * when the starter dies meanwhile.  A daemon that is ready
 *   1. has removed a stale socket, and listens;
 *   2. has closed M;
 *   3. writes "ready\n" to N and closes it (or "error TEXT\n", and exits).
 * A daemon run by hand has neither descriptor and takes the lock itself.
 *
 * A daemon that ends removes its socket before it stops to answer.
 *
 * Blocks, for at most DAEMON_START_TIMEOUT_MS on the daemon it starts.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>

struct client;
struct error;
struct paths;

#define DAEMON_START_TIMEOUT_MS 15000
#define DAEMON_API_VERSION      1

/* `program` is what is started, NULL for our own binary. */
struct client *daemon_start(const struct paths *paths, const char *program, bool *ret_started,
                            struct error *err) must_check;

/* As daemon_start(), but ERR_DAEMON when there is no daemon; changes nothing. */
struct client *daemon_connect(const struct paths *paths, struct error *err) must_check;

/* Waits until the process of a pidfd is gone; ERR_TIMEOUT when it is not. */
int daemon_wait_exit(int pidfd, int timeout_ms, struct error *err);
