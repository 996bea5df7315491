/*
 * http_server - HTTP/1.1 on a listening socket, for an API: whole requests in,
 * whole or streamed answers out.
 *
 * on_request gets each request with its body and must have it answered, at once
 * or later:
 *
 *	http_respond(x, 200, "application/json", text, len);
 *
 * or http_stream_begin(), any number of http_stream_write(), http_stream_end().
 * An exchange is gone after http_respond(), http_stream_end(), or its on_close
 * callback, whichever comes first; exactly one of them comes.  A client that
 * closes (or half-closes) before its answer is complete has gone away.
 *
 * Refuses by itself what net/http1.h refuses, bodies over max_body (413), slow
 * requests (408).  Owns the listening socket; does not block.
 */
#pragma once

#include "loop/loop.h"
#include "net/http_message.h"

struct http_exchange;
struct http_server;

struct http_request {
	const struct http_head *head; /* method, http_target(), fields */
	const char *body;             /* NUL-terminated; like the head good until the answer */
	size_t body_len;
	uid_t peer_uid; /* (uid_t)-1 when the socket is not a unix socket */
	pid_t peer_pid; /* 0 then */
};

typedef void http_request_fn(struct http_exchange *x, const struct http_request *request,
                             void *data);

struct http_server_config {
	http_request_fn *on_request;
	void *data;
	size_t max_body;            /* 0: 1 MiB */
	size_t max_connections;     /* 0: 256 */
	int64_t request_timeout_ms; /* for a head and for a body; 0: 30 s */
};

/* Takes listen_fd, on failure too. */
struct http_server *http_server_new(struct loop *loop, int listen_fd,
                                    const struct http_server_config *config, struct error *err);
/* Open exchanges get their on_close first. */
void http_server_free(struct http_server *server);
DEFINE_FREEP(http_server)

/* Clients that are being served; 0 when the server is idle. */
size_t http_server_exchanges(const struct http_server *server);
/* Accepts no more; what is open goes on. */
void http_server_stop_accepting(struct http_server *server);

struct http_exchange_events {
	/* The client went away (or the server is freed): cancel the work; x is gone. */
	void (*on_close)(struct http_exchange *x, void *data);
	/* After http_stream_write() said false: there is room again.  May be NULL. */
	void (*on_drain)(struct http_exchange *x, void *data);
};

/* For an answer that comes after on_request has returned; `events` must outlive the exchange. */
void http_exchange_watch(struct http_exchange *x, const struct http_exchange_events *events,
                         void *data);
/* A field of the answer, before http_respond() or http_stream_begin(). */
void http_exchange_add_field(struct http_exchange *x, const char *name, const char *value);

/* content_type may be NULL when there is no body. */
void http_respond(struct http_exchange *x, int status, const char *content_type, const void *body,
                  size_t len);
void http_stream_begin(struct http_exchange *x, int status, const char *content_type);
/* The same for a known length; a stream that ends before it closes the connection. */
void http_stream_begin_length(struct http_exchange *x, int status, const char *content_type,
                              uint64_t length);
/* Sent at once.  False: the client is slow, and a producer that can should wait for on_drain. */
bool http_stream_write(struct http_exchange *x, const void *data, size_t len);
void http_stream_end(struct http_exchange *x);
