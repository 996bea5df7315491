/*
 * usage - what processor time and memory the trees of services take, by one look at /proc.
 *
 * A tree is what descends from a keeper, the keeper itself left out.  Time is that of
 * processes that live; memory is the sum of what is resident (RSS), so pages that two
 * processes share count twice.  Made when somebody asks, never kept.
 */
#pragma once

#include "base/array.h"

#include <sys/types.h>

struct usage_process {
	pid_t pid, parent;
	pid_t root; /* its keeper, or 0 */
	int64_t cpu_ticks, rss_pages;
};

struct usage {
	ARRAY(struct usage_process) processes;
};

struct usage_sum {
	int64_t cpu_ms, memory_bytes;
};

void usage_read(struct usage *usage);
void usage_release(struct usage *usage);
struct usage_sum usage_of(const struct usage *usage, pid_t keeper);
