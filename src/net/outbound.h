/*
 * outbound - the program by which containers with a network of their own reach the
 * world: pasta, else slirp4netns, where one is installed and /dev/net/tun may be used.
 *
 * Only looks; blocks on the local disk at most.  src/shim/outbound.h starts them.
 */
#pragma once

enum outbound_kind { OUTBOUND_NONE, OUTBOUND_PASTA, OUTBOUND_SLIRP4NETNS };

struct outbound {
	enum outbound_kind kind;
	char *program; /* NULL: none */
	/* The address inside at which it passes questions on to the host's own resolver. */
	const char *resolver;
	char *why; /* there is none, and … */
	char *fix; /* … what to do about it; else NULL */
};

void outbound_find(struct outbound *ret);
void outbound_release(struct outbound *outbound);
