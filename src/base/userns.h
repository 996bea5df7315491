/*
 * userns - user namespaces and their id maps, for whoever may make them.
 *
 * As an ordinary user the map comes from /etc/subuid and /etc/subgid and is
 * written by newuidmap(1) and newgidmap(1); without ranges, or without those
 * programs, one id is mapped.  As root it is written directly; id 0 of the host
 * is never in a map.  See user_namespaces(7), newuidmap(1).
 *
 * Inside id 0 is the caller for an ordinary user; for root it is the first id
 * of root's own /etc/subuid range, or of USERNS_ROOT_BASE where it has none.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define USERNS_ROOT_BASE 1812725760u /* inside the range systemd reserves for containers */
#define USERNS_COUNT     65536u
#define USERNS_EXTENTS   4

struct userns_extent {
	uint32_t inside, outside, count;
};

struct userns_map {
	struct userns_extent uid[USERNS_EXTENTS], gid[USERNS_EXTENTS];
	size_t uids, gids;
	bool is_single; /* one id only: programs that change user will fail */
};

/* The caller's full map. */
int userns_map_for_caller(struct userns_map *ret, struct error *err);
/* The caller's one id seen as uid:gid inside (the fallback, and `is_single`). */
void userns_map_single(struct userns_map *ret, uint32_t inside_uid, uint32_t inside_gid);

/* Inside id -> host id; -1 when it is not mapped. */
int64_t userns_host_uid(const struct userns_map *map, uint32_t inside);
int64_t userns_host_gid(const struct userns_map *map, uint32_t inside);

/*
 * Writes the maps of `pid`, which has entered a new user namespace and waits.
 * Uses newuidmap/newgidmap when not privileged and the map is not single.
 */
int userns_write_maps(pid_t pid, const struct userns_map *map, struct error *err);

/*
 * Why this host makes no user namespace for us (code: errno of what failed), and how to change it:
 * the hint of *err.
 */
void userns_explain(int code, struct error *err);

/*
 * Runs fn(data) in a child that is root in a new user namespace, waits, and
 * returns what fn returned (0..127; -1 with the child's error text when it
 * failed).  Descriptors stay open in the child, so fn works on directories
 * opened before.  Blocks.
 */
typedef int userns_fn(void *data, struct error *err);
int userns_run(const struct userns_map *map, userns_fn *fn, void *data, struct error *err);
