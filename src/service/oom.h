/*
 * oom - was something killed because memory ran out, as the kernel counts it?
 *
 * The count is that of the memory cgroup (v1 or v2) that a process is in, so what else is in there
 * is counted, too: whoever asks has seen one of its own end by SIGKILL.  Where no cgroup counts
 * memory nothing is ever known.  Blocks on /sys/fs/cgroup and /proc only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct oom_watch {
	char *dir; /* of the cgroup; NULL: there is none */
	bool is_v2;
	uint64_t kills; /* when it began, and those since that were laid to somebody */
};

/* From now on, in the cgroup of `pid` (0: our own). */
void oom_watch_begin(struct oom_watch *watch, pid_t pid);
void oom_watch_release(struct oom_watch *watch);
/* Has there been a kill that was laid to nobody? */
bool oom_watch_look(const struct oom_watch *watch);
/* One was laid to somebody in the cgroup of `to`. */
void oom_watch_took(struct oom_watch *watch, const struct oom_watch *to);
/* The smallest limit that holds in the cgroup, in bytes; 0: none. */
uint64_t oom_watch_limit(const struct oom_watch *watch);
