/*
 * relay - carries connections into the networks of containers and out of them.
 *
 * A container is known by its id from when its start registers it until its process
 * ends.  It brings sockets that were made inside (locald-shim net): plain ones, which
 * are connected to its ports when somebody comes from outside, and listening ones, at
 * which it finds the services outside.  When the plain ones run low, more are asked
 * for by running `locald-shim net` again.
 *
 * A published port takes connections on 127.0.0.1 and ::1 only after relay_open(): until
 * then it is bound and refuses, as the program's own port would.
 *
 * Reads no byte of what it carries.  Blocks only while the shim is executed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct loop;
struct relay;

struct relay_config {
	const char *shim, *root; /* the program, and its --root */
	/* A socket to the shim that makes more: to be treated as a registering one. */
	void (*on_helper)(int sock, void *data);
	/* A container has ended, or a connection. */
	void (*on_change)(void *data);
	void *data;
};

struct relay_publication {
	int host_port, inside_port;
};

struct relay *relay_new(struct loop *loop, const struct relay_config *config);
void relay_free(struct relay *relay);

/* One with the same id is over: the new one takes its place.  pidfd is taken, on failure too. */
int relay_add(struct relay *relay, const char *id, int pidfd, const struct relay_publication *ports,
              size_t count, bool is_open, struct error *err);
void relay_remove(struct relay *relay, const char *id);
/* fds[i] listens inside; who connects there reaches ports[i] outside.  All are taken. */
int relay_add_listeners(struct relay *relay, const char *id, const int *ports, int *fds,
                        size_t count, struct error *err);
int relay_add_sockets(struct relay *relay, const char *id, int *fds, size_t count,
                      struct error *err);

/* The program listens: takes connections.  inside_port 0: as it was registered. */
int relay_open(struct relay *relay, const char *id, int inside_port, struct error *err);

size_t relay_containers(const struct relay *relay);
typedef void relay_each_fn(struct relay *relay, const char *id, void *data);
void relay_each(struct relay *relay, relay_each_fn *fn, void *data);
size_t relay_connections(const struct relay *relay);
