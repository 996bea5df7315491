/*
 * control - what the daemon and the proxy say to each other: JSON packets over a
 * SOCK_SEQPACKET socketpair, some with descriptors attached.
 *
 *	daemon → proxy  {"op":"listen","ports":[…]}         one listening socket attached per port
 *	                {"op":"routes","version":N,"routes":[{"host","project","service","port",
 *	                 "state","detail","log":[…]}]}      the whole table, at each change
 *	                {"op":"routes","memfd":true}        the same message, in the attached memfd
 *	                {"op":"count"}, {"op":"end"}
 *	                {"op":"drain"}                      accept no more, end with the last
 *connection proxy → daemon  {"op":"hello","version","pid"}      to a new daemon; what it listens on
 *attached
 *	                {"op":"ready"}                      after the first listen
 *	                {"op":"counts","requests":N,"connections":N,"tunnels":N,"upstream":N,…}
 *
 * Sending never blocks on a non-blocking socket (EAGAIN: again later).
 */
#pragma once

#include "base/attrs.h"

#include <jansson.h>
#include <stddef.h>

struct error;

#define CONTROL_MAX_PACKET (64 * 1024)
#define CONTROL_MAX_TABLE  (16 * 1024 * 1024)

/* ports[i] is where fds[i] listens; two sockets (IPv4, IPv6) may have one port. */
int control_send_listen(int sock, const int *ports, const int *fds, size_t count,
                        struct error *err);
/* `json` is the whole routes message; goes into a sealed memfd when it is too big for a packet. */
int control_send_routes(int sock, const char *json, size_t len, struct error *err);
/* `op` is a message without anything else. */
int control_send_op(int sock, const char *op, struct error *err);

/* The proxy's side: who it is, and what it listens on. */
int control_send_hello(int sock, const int *fds, size_t count, struct error *err);
/* The proxy's side: the message in a memfd; NULL when it is not sealed, too big or not JSON. */
json_t *control_read_table(int memfd, struct error *err);
