/*
 * probe - one look at whether a service answers; the implementation behind the
 * probe_* functions of world.h.
 *
 * First it finds where the service listens: on its port, on another one, or not at
 * all (/proc/net/tcp and the descriptors of its tree; no connection is made).  An
 * explicit check then connects there, or runs its command.  A listener outside the
 * tree is never an answer.
 */
#pragma once

#include "service/port_holder.h"
#include "service/world.h"

struct loop;

/* The listening sockets of the machine, read again only when they are too old. */
struct listener_cache {
	struct port_listeners listeners;
	int64_t read_at_ms; /* 0: never */
};

void listener_cache_release(struct listener_cache *cache);

/* The cache must outlive the probe. */
struct probe *probe_new(struct loop *loop, struct listener_cache *cache,
                        const struct probe_request *request, probe_done_fn *fn, void *data);
/* Ends it, without a result. */
void probe_free(struct probe *probe);
