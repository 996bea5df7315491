/*
 * held_ends - the output of a service, held for the case that its keeper is lost.
 *
 * Duplicates of the descriptors that a keeper passes with its first status (keeper/program_io.h).
 * As long as they are here, a service whose keeper was killed can write, and what it wrote is
 * there for the next keeper.  They are moved above the soft limit, and so take nothing from
 * others; where the hard limit leaves no room there and more than half is in use, nothing is
 * held: then a lost keeper costs its service.
 */
#pragma once

#include "base/fd.h"
#include "loop/child.h"

struct held_ends {
	int fds[FD_PASS_MAX];
	size_t count; /* 0: nothing is held */
};

/* One message of a keeper, as recv(2); what comes along takes the place of what was held. */
ssize_t held_ends_receive(struct held_ends *held, int sock, void *buf, size_t size);
/* Adds them to what a child gets, from descriptor 3 on; returns how many. */
size_t held_ends_give(const struct held_ends *held, struct child_fd fds[FD_PASS_MAX]);
void held_ends_release(struct held_ends *held);
