/*
 * phase_run - runs one phase of a build in a container of its own, through locald-shim.
 *
 * Output is passed on line by line as log events.  SIGTERM and SIGINT, which the runner
 * takes from its birth on, end the phase: the container is asked to stop and killed
 * soon after.  The container's directory is gone when phase_run() returns.
 *
 * Owns: a loop and two signal sources.  Blocks in phase_run().
 */
#pragma once

#include "oci/runtime_config.h"

#include <stdbool.h>

struct cnb_events;
struct error;
struct loop;
struct loop_source;

struct phase_runner {
	const char *shim;
	const char *dir;         /* where container directories and the shim's state go */
	const char *root_memory; /* root_choice.h; the choice is made before the first phase */
	struct root_choice root;
	bool has_root;
	const struct cnb_events *events;
	struct loop *loop;
	struct loop_source *signals[2];
	struct phase_run *current; /* NULL between phases */
	bool is_cancelled;
};

int phase_runner_init(struct phase_runner *runner, const char *shim, const char *dir,
                      const struct cnb_events *events, struct error *err);
void phase_runner_release(struct phase_runner *runner);

/* -1 with ERR_INTERRUPTED when a signal has come, also one that nobody has looked at yet. */
int phase_runner_check(struct phase_runner *runner, struct error *err);

struct phase_result {
	int exit_code;   /* 128 + signal where one ended it */
	char *complaint; /* of the lifecycle ("buildpack a/b@1 failed with exit code 1"), or NULL */
	char *tail;      /* the last lines of its output */
};

void phase_result_release(struct phase_result *result);

/* 0 whatever the exit code is; -1 when it could not be run, or was cancelled. */
int phase_run(struct phase_runner *runner, const char *name,
              const struct container_request *request, struct phase_result *ret, struct error *err);
