/*
 * tunnel - two streams whose bytes go to each other, after an upgrade.
 *
 * Lives as long as both ends want it: no time-out, and the routing table has no
 * say.  A half-close is passed on; a slow end holds the other back.  Owns both
 * streams and itself.
 */
#pragma once

#include "loop/stream.h"

struct tunnel;

/* All that are open, so that their owner can end them. */
struct tunnels {
	struct tunnel *first;
	size_t count;
};

/* What the streams have already in their input is passed on first. */
void tunnel_start(struct tunnels *tunnels, struct stream *a, struct stream *b);
void tunnels_release(struct tunnels *tunnels);
