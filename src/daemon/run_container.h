/*
 * run_container - a container that lives as long as somebody's connection.
 *
 * Its bundle is made, and the result names the runtime's command line, which the
 * client executes itself with its own terminal.  The client passes the connection
 * on to the runtime; when that closes, however it ended, what is left of the
 * container is killed and removed.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct http_exchange;

/* Answers x, whose stream has begun; bundle: parameters of the job without paths, borrowed. */
void run_container_begin(struct daemon *daemon, struct http_exchange *x, const char *project,
                         const char *service, const json_t *bundle);

/* There is another relay: those that run are registered there. */
void run_containers_register(struct daemon *daemon);
/* The daemon leaves; containers go on, and the next daemon removes what is over. */
void run_containers_release(struct daemon *daemon);
