/*
 * outbound - pasta or slirp4netns, which connects the network namespace of one container
 * with the world.
 *
 * It is started in the background before the container's program, belongs to whoever
 * reaps the container's orphans, and is remembered with the container's state, to be
 * ended with it.
 */
#pragma once

struct error;
struct state;

enum outbound_program { OUTBOUND_PASTA, OUTBOUND_SLIRP4NETNS };

/* Blocks until the network is there. */
int outbound_start(const struct state *state, enum outbound_program which, const char *path,
                   struct error *err);
/* None there is fine.  Blocks until it has ended. */
int outbound_end(const struct state *state, struct error *err);
