/*
 * routes - which service answers for a host: the table the daemon sends, whole,
 * at each change.
 *
 * Loading checks everything and replaces the table only when it is good.  Routes
 * given out are borrowed until the next load: keep the host, not the route.
 *
 * The message is specified in docs/architecture.md, "Proxy".
 */
#pragma once

#include "base/array.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

#define ROUTES_MAX       10000
#define ROUTES_MAX_LOG   200
#define ROUTES_MAX_PORTS 1000

/* A DNS name has at most 253 characters. */
#define HOST_SIZE 256

enum route_state {
	ROUTE_UP,     /* forward to it */
	ROUTE_COMING, /* it will be up by itself: hold the request */
	ROUTE_DOWN,   /* it will not: say why */
};

struct route {
	char *host; /* normal form */
	char *project, *service;
	int port;         /* 0: none yet */
	ARRAY(int) ports; /* of several replicas, which take turns; empty: only `port` */
	char *state, *detail;
	struct strv log; /* its last lines */
};

struct routes {
	int64_t version;
	ARRAY(struct route) items; /* by host */
};

void routes_release(struct routes *routes);
int routes_load(struct routes *routes, const json_t *message, struct error *err);
const struct route *routes_find(const struct routes *routes, const char *host);
bool routes_has_port(const struct routes *routes, int port);
/* The port for the n-th try of the turn-th request. */
int route_port(const struct route *route, uint64_t turn, unsigned int n);
size_t route_port_count(const struct route *route);
enum route_state route_state(const struct route *route);

/*
 * The value of a Host field in normal form: lower case, without port and final dot.
 * False when it is no host at all.  An IPv6 address keeps its brackets.
 */
bool host_normalise(const char *value, char ret[HOST_SIZE]);
/* "localhost" or below it: a name that only this machine can have. */
bool host_is_localhost(const char *host);
