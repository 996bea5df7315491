/*
 * client - a connection from a client, and the one request on it that is being
 * answered.  Inner header of the proxy: client.c is the connection, forward.c
 * the way to the service and back.
 *
 *	READING ──▶ WAITING (its service is starting) ──▶ CONNECTING ──▶ FORWARDING ──▶ READING
 *	   └──▶ any of them may end in a page, READING again, or LINGERING, DEAD
 *
 * Code that may drop a client while functions of it are on the stack brackets
 * itself with client_enter() and client_leave(); a client dies at the last leave.
 */
#pragma once

#include "base/array.h"
#include "loop/stream.h"
#include "net/http1.h"
#include "proxy/pages.h"
#include "proxy/routes.h"
#include "proxy/tunnel.h"
#include "proxy/upstream.h"

#include <netinet/in.h>

struct proxy {
	struct loop *loop;
	struct routes routes;
	struct upstream_pool *pool;
	struct tunnels tunnels;
	struct client *clients;
	size_t client_count, max_clients;
	ARRAY(struct listener *) listeners;
	/* Bytes gathered for one write each; empty between callbacks. */
	struct strbuf to_upstream, to_client;
	uint64_t requests;
	bool is_draining;
	uint64_t turns; /* of services with several ports */
};

enum client_state {
	CLIENT_READING,    /* a head, or nothing yet */
	CLIENT_WAITING,    /* for the routing table to say that the service is up */
	CLIENT_CONNECTING, /* to the service */
	CLIENT_FORWARDING, /* bodies flow */
	CLIENT_LINGERING,  /* answered for the last time */
	CLIENT_DEAD,
};

struct client {
	struct proxy *proxy;
	struct client *next, **link; /* link is NULL once it is dropped */
	enum client_state state;
	int depth; /* client_enter() less client_leave() */
	bool is_pumping;
	struct stream *stream;
	struct http1_parser *parser;
	struct loop_source *timer;
	int64_t deadline_ms, timer_due_ms; /* INT64_MAX: none */
	size_t linger_queued;              /* when it was looked at last */
	char address[INET6_ADDRSTRLEN];
	int port;          /* where it was accepted */
	char port_text[8]; /* the same */

	/* The request. */
	bool is_head_timed;
	bool request_done; /* all of it has been read */
	bool is_head, is_http10, is_last, wants_html, wants_upgrade;
	uint64_t turn;      /* which of several ports is asked first … */
	unsigned int tries; /* … and how many of them have refused */
	bool is_retryable;  /* may be sent again when a reused connection turns out dead */
	char host[HOST_SIZE];
	const char *connection; /* the value of the field that goes upstream */

	/* The answer. */
	struct upstream *upstream;
	bool request_broken;   /* the service takes no more of the request */
	bool response_started; /* its head has been sent to the client */
	bool response_chunked, upstream_is_last;
};

/* Starts to serve a connection; takes fd.  False when it cannot, and has closed it. */
bool client_accept(struct proxy *proxy, int fd, int port);
void client_drop(struct client *client);
void client_enter(struct client *client);
void client_leave(struct client *client);

void client_set_deadline(struct client *client, int64_t delay_ms); /* < 0: none */
/* Reads on in the request, or the next one, as far as its state lets it. */
void client_pump(struct client *client);
/* Answers with a page, which it releases; not after response_started. */
void client_send_page(struct client *client, struct page *page);
void client_send_text(struct client *client, int status, const char *text);
/* The answer is complete. */
void client_answered(struct client *client);
