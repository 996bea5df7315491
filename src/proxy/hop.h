/*
 * hop - what changes in a head on its way through the proxy.
 *
 * Fields that speak of one connection are taken out (those that Connection names
 * too), what a client claims about who forwarded it is dropped, and the truth
 * is put in.  Everything else passes in its order.  A Content-Length stays: the
 * codec has checked it.
 *
 * Specified in RFC 9110, 7.6.
 */
#pragma once

#include "net/http_message.h"

#define HOP_MAX 5

/* What is known of the connection a request came by. */
struct hop {
	const char *client; /* address */
	const char *scheme; /* "http" */
	const char *port;   /* where it was accepted */
};

/* Times the request has been through a proxy of ours. */
int hop_count(const struct http_head *request);
/* Does the request ask for an upgrade that may become a tunnel? */
bool hop_wants_upgrade(const struct http_message *request);
bool hop_is_idempotent(const struct http_head *request);

/* For fewer than HOP_MAX hops.  Edits the head; returns the value of its Connection field, NULL for
 * none. */
const char *hop_request(struct http_head *head, const struct hop *hop, bool is_upgrade);
void hop_response(struct http_head *head);
/* Trailers cannot change what the head has said of framing and connection. */
void hop_trailers(struct http_head *trailers);
