/*
 * upstream - connections to the services, by port, kept for reuse.
 *
 * A service is looked for on 127.0.0.1, then on ::1.  A connection in the pool
 * that says or does anything is closed: it owes nobody an answer.  Pooled ones
 * are closed when they have been idle for a while.
 */
#pragma once

#include "loop/stream.h"
#include "net/http1.h"

struct upstream;
struct upstream_pool;

struct upstream_events {
	/* The result of upstream_connect(): 0, or an errno and NULL, for it is gone. */
	void (*on_connected)(struct upstream *upstream, int error, void *data);
	void (*on_read)(struct upstream *upstream, void *data);
	void (*on_eof)(struct upstream *upstream, int error, void *data);
	void (*on_drain)(struct upstream *upstream, void *data);
	/* It takes no more bytes; an answer may still come. */
	void (*on_write_error)(struct upstream *upstream, int error, void *data);
};

/* Each event also needs to know whose it is: `data` is given when a connection is taken. */
struct upstream_pool *upstream_pool_new(struct loop *loop, const struct upstream_events *events);
void upstream_pool_free(struct upstream_pool *pool); /* the idle ones; not those in use */
size_t upstream_pool_idle(const struct upstream_pool *pool);
/* Closes the idle ones whose port is not wanted any more. */
void upstream_pool_keep(struct upstream_pool *pool, bool (*is_wanted)(int port, void *data),
                        void *data);

/* An idle connection to that port; NULL when there is none. */
struct upstream *upstream_reuse(struct upstream_pool *pool, int port, void *data);
/* A new one; on_connected() comes later.  NULL when no socket can be had. */
struct upstream *upstream_connect(struct upstream_pool *pool, int port, void *data,
                                  struct error *err);
void upstream_give_back(struct upstream *upstream); /* its input is used up */
void upstream_free(struct upstream *upstream);

/* NULL until it is connected. */
struct stream *upstream_stream(struct upstream *upstream);
struct stream *upstream_take_stream(struct upstream *upstream);
struct http1_parser *upstream_parser(struct upstream *upstream);
bool upstream_is_reused(const struct upstream *upstream);
