/*
 * owner - does file work as somebody who may give files to the builder's user.
 *
 * Root does it itself with the ids of the host; an ordinary user does it as root of
 * a user namespace with the ids seen inside; with a single-id map the caller is
 * the builder's user already.  The work is a function that is told the ids to use.
 *
 * Blocks.  The function may run in a child: what it changes in memory is lost.
 */
#pragma once

#include "base/userns.h"

#include <sys/types.h>

struct error;

struct owner {
	struct userns_map map;
	uid_t uid; /* inside: the builder's user */
	gid_t gid;
};

struct owner_ids {
	uid_t uid;
	gid_t gid;
};

typedef int owner_fn(const struct owner_ids *ids, void *data, struct error *err);

int owner_run(const struct owner *owner, owner_fn *fn, void *data, struct error *err);
