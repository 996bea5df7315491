/*
 * world_loop - the real machine behind the supervisor: keepers by
 * keeper_client.h, probes by probe.h, timers of the loop.
 */
#pragma once

#include "service/log_match.h"
#include "service/probe.h"
#include "service/world.h"

struct loop;

struct world_loop {
	struct loop *loop;
	const char *keeper_path; /* the locald-keeper program */
	struct listener_cache cache;
	struct log_matcher matcher;
	/* The process that takes connections for containers; 0: none. */
	pid_t (*relay_pid)(void *data);
	void *relay_data;
};

/* `self` has all but cache and matcher set, and must outlive what is returned. */
struct supervisor_world world_loop_make(struct world_loop *self);
void world_loop_release(struct world_loop *self);
