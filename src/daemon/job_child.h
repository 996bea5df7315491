/*
 * job_child - slow work in a child: `locald-job KIND`, parameters as JSON on its
 * stdin, JSON lines on its stdout.
 *
 * The last line is {"event":"result",…}; a child that ends without one (killed,
 * crashed) is reported as a failed result that says so.  job_child_cancel() ends the
 * child (SIGTERM, then SIGKILL after a grace) and no callback comes any more.
 *
 * Owns: the child and its pipes; a set has all children that have not ended, the
 * cancelled ones too.  Does not block.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "loop/loop.h"

struct error;
struct job_child;

struct job_children {
	struct loop *loop;
	ARRAY(struct job_child *) items;
};

struct job_events {
	/* Every line but the result; borrowed. */
	void (*on_line)(json_t *line, void *data);
	/* Once, last; the job is freed after it.  `result` is borrowed, has "ok" and perhaps
	 * "error". */
	void (*on_result)(json_t *result, void *data);
};

/* params is borrowed. */
struct job_child *job_child_start(struct job_children *children, const char *kind,
                                  const json_t *params, const struct job_events *events, void *data,
                                  struct error *err);
void job_child_cancel(struct job_child *job); /* NULL is fine */
/* Those that are left are told to end; nobody waits for them or kills them any more. */
void job_children_release(struct job_children *children);
