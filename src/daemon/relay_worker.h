/*
 * relay_worker - the `locald relay` process: found, started when a container first
 * needs it, started again when it dies.
 *
 * The relay outlives its daemon, and the next daemon takes it up as it is: its packets
 * have a version of their own (proxy/relay_main.h), and only a relay that speaks
 * another one is replaced.  Nothing here waits for an answer.
 */
#pragma once

#include "api/paths.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct loop;
struct relay_worker;

struct relay_worker_events {
	/*
	 * There is another relay, which knows no container: those that run have to be
	 * registered again.
	 */
	void (*on_new)(void *data);
	void *data;
};

/* Looks for the relay of the daemon before; `program` is our own binary. */
struct relay_worker *relay_worker_new(struct loop *loop, const char *program,
                                      const struct paths *paths,
                                      const struct relay_worker_events *events);
void relay_worker_free(struct relay_worker *worker);

/* A container is about to start. */
int relay_worker_need(struct relay_worker *worker, struct error *err);
/* The program of container `id` listens on `inside_port`: its port may take connections. */
void relay_worker_open(struct relay_worker *worker, const char *id, int inside_port);

/* 0 while there is none, or it has not said its name yet. */
pid_t relay_worker_pid(const struct relay_worker *worker);
bool relay_worker_is_there(const struct relay_worker *worker);
/* Where it listens: for locald-shim net. */
const char *relay_worker_socket(const struct relay_worker *worker);
