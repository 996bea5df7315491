/*
 * relay_link - two TCP connections that are one: what comes in at one end goes out
 * at the other, by splice(2), so that no byte passes through this process's memory.
 *
 * Each direction ends by itself (half-close); a reset at one end becomes a reset at
 * the other.  A direction holds bytes only while its target does not take them:
 * pipes are few, and shared by all links.
 *
 * Owns both sockets.  Does not connect: that is relay_dial.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct relay_link;

struct relay_pipe {
	int out, in;
};

struct relay_links {
	struct loop *loop;
	struct relay_link *first;
	size_t count;
	struct relay_pipe free_pipes[16];
	size_t free_count;
	/* A link is over. */
	void (*on_end)(struct relay_links *links, void *data);
	void *data;
};

/* `owner`, not 0, is the number of the container whose network `inside` is in. */
void relay_link_start(struct relay_links *links, int outside, int inside, uint64_t owner);
/* The container has ended: what it said is still passed on, then its links end. */
void relay_links_orphan(struct relay_links *links, uint64_t owner);
void relay_links_release(struct relay_links *links);

/* Closes a connection so that its peer sees a reset, not an end. */
void relay_reset(int fd);
