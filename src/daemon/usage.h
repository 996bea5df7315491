/*
 * usage - what processor time and memory the tree of a service takes, by one look at /proc.
 *
 * The tree is what descends from a keeper, the keeper itself left out, and other keepers with
 * what is theirs.  Time is that of processes that live; memory is the sum of what is resident
 * (RSS), so pages that two processes share count twice.  Made when somebody asks, never kept,
 * and only by a look at the tree: status waits for it, however much else runs.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct usage {
	int64_t cpu_ms, memory_bytes;
};

/* `program` is of the tree where a keeper that was lost was its parent, too; it may have none. */
struct usage usage_of(pid_t keeper, pid_t program);
