/*
 * acceptor - takes connections from a listening socket, a few per wake-up.
 *
 * Pauses by itself when descriptors run short or out (the last ones are for the
 * process's own work) and tries again a little later, and pauses when the owner says it has enough.
 * Owns the socket.
 */
#pragma once

#include "loop/loop.h"

#include <stdbool.h>

struct acceptor;

/* The new connection is the callback's: non-blocking and CLOEXEC. */
typedef void acceptor_fn(int fd, void *data);

/* Takes listen_fd, on failure too. */
struct acceptor *acceptor_new(struct loop *loop, int listen_fd, acceptor_fn *fn, void *data,
                              struct error *err);
void acceptor_free(struct acceptor *acceptor);
DEFINE_FREEP(acceptor)

int acceptor_fd(const struct acceptor *acceptor); /* the listening socket */
/* A connection has ended, so a descriptor is about to be free. */
void acceptor_look_again(struct acceptor *acceptor);
void acceptor_pause(struct acceptor *acceptor, bool is_paused);
