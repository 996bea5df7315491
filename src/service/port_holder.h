/*
 * port_holder - who listens on a TCP port, from /proc/net/tcp{,6} and the
 * descriptors of processes.
 *
 * A port may be held by a process that we may not look into; then only its
 * being held is known (pid 0).  Blocks on /proc only.
 */
#pragma once

#include "base/array.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* One listening socket. */
struct port_listener {
	int port;
	uint64_t inode;
	bool is_ipv6;
	bool is_any;       /* bound to no address in particular */
	bool is_reachable; /* at 127.0.0.1 or ::1 */
};

struct port_listeners {
	ARRAY(struct port_listener) items;
};

int port_listeners_read(struct port_listeners *ret, struct error *err);
/*
 * Those in the network that processes below `root` have for themselves; none, and no
 * error, while none of them has one.
 */
int port_listeners_read_inside(pid_t root, struct port_listeners *ret, struct error *err);
void port_listeners_release(struct port_listeners *listeners);
const struct port_listener *port_listeners_find(const struct port_listeners *listeners, int port);

/*
 * Keeps of `listeners` those that a process in the tree of `root` holds; the
 * tree is `root` and its descendants as /proc shows them now.
 */
void port_listeners_of_tree(const struct port_listeners *listeners, pid_t root,
                            struct port_listeners *ret);

struct port_holder {
	pid_t pid; /* 0: held by someone we may not see */
	char *command;
	char *cwd;
	int64_t age_ms; /* of the process; -1: not known */
	char *managed; /* "web of shop-1a2b3c4d": the service of locald it belongs to; NULL: none */
};

/* Returns false when nobody listens. */
bool port_holder_find(int port, struct port_holder *ret);
void port_holder_release(struct port_holder *holder);
/* "pid 4711 (python3 -m http.server) in /home/ann/shop, up 2 h, not managed by locald" */
char *port_holder_text(const struct port_holder *holder) __attribute__((warn_unused_result));
