/*
 * world - what the supervisor does to the machine, as a table of functions.
 *
 * world_loop.h is the real one; tests bring a world in which time, keepers and
 * probes are plain values.  Callbacks never come from inside the function that
 * asked for them.
 */
#pragma once

#include "keeper/protocol.h"
#include "service/oom.h"
#include "service/plan.h"
#include "service/supervisor.h"

struct keeper;
struct log_match;
struct probe;
struct timer;

struct keeper_events {
	/* Something changed, or the first status. */
	void (*on_status)(const struct keeper_status *status, pid_t keeper, void *data);
	/*
	 * The keeper was lost, its service goes on, and another is to take over: fill in the spec
	 * of the run.  A status, or on_gone, follows.
	 */
	void (*on_lost)(struct keeper_spec *ret, void *data);
	/*
	 * The keeper is gone, or was never there; always the last call, the keeper must then
	 * be freed.  err is set when it could not be started at all.
	 */
	void (*on_gone)(const struct service_exit *exit, const struct error *err, void *data);
};

enum probe_verdict {
	PROBE_OK,
	PROBE_NOT_YET,    /* nothing there, or it said no */
	PROBE_OTHER_PORT, /* the tree listens, but not on the port it was given */
	PROBE_STRANGER,   /* the port is held by someone outside the tree */
	PROBE_UNOPENED,   /* it listens in its own network, and its port out here is not open */
};

struct probe_result {
	enum probe_verdict verdict;
	int port;        /* where it answers; for PROBE_OTHER_PORT the port found */
	int inside_port; /* with a network of its own: where it listens in there */
	bool is_ipv6_only;
	const char *text; /* why not; NULL when OK */
};

typedef void probe_done_fn(const struct probe_result *result, void *data);
typedef void timer_fn(void *data);
/* A line of the run matched; or it will not be known, and err says why. */
typedef void log_match_fn(const struct error *err, void *data);

struct probe_request {
	const struct service_plan *plan;
	int port;        /* to look at; 0: none */
	int opened_port; /* with a network of its own: the port in there that this leads to */
	pid_t root;      /* of the tree that may own the listener */
	/* What is not below it any more, because a keeper was lost, is marked; NULL: nothing. */
	const char *run_mark;
	bool is_liveness; /* the service was ready: look without connecting where that is enough */
};

struct supervisor_world {
	void *data; /* given to each function */

	int64_t (*mono_ms)(void *data);
	int64_t (*boot_ms)(void *data); /* goes on while the machine sleeps */
	int64_t (*real_ns)(void *data);
	struct timer *(*timer_add)(int64_t delay_ms, timer_fn *fn, void *fn_data, void *data);
	/* At that time by the wall, and whenever its clock is set: whoever asks looks again. */
	struct timer *(*wall_timer_add)(int64_t real_ns, timer_fn *fn, void *fn_data, void *data);
	void (*timer_free)(struct timer *timer, void *data); /* both kinds */

	/* NULL when it could not even be tried.  Adopting finds one that lives, or its exit record.
	 */
	struct keeper *(*keeper_start)(const struct keeper_spec *spec,
	                               const struct keeper_events *events, void *events_data,
	                               void *data, struct error *err);
	struct keeper *(*keeper_adopt)(const struct keeper_spec *spec,
	                               const struct keeper_events *events, void *events_data,
	                               void *data);
	/* Sent as soon as the keeper can be reached. */
	void (*keeper_command)(struct keeper *keeper, enum keeper_op op, void *data);
	void (*keeper_free)(struct keeper *keeper, void *data);

	struct probe *(*probe_start)(const struct probe_request *request, probe_done_fn *fn,
	                             void *fn_data, void *data);
	void (*probe_free)(struct probe *probe, void *data);

	/* Waits for a line of that run which matches. */
	struct log_match *(*log_match_start)(const char *log_dir, uint32_t run, const char *pattern,
	                                     log_match_fn *fn, void *fn_data, void *data);
	void (*log_match_free)(struct log_match *match, void *data);

	/* -1 with an error that names the holder when the port cannot be had. */
	int (*port_check)(const struct service_plan *plan, void *data, struct error *err);

	/* Begins to watch the memory of a process (0: of what is started next), see oom.h … */
	void (*oom_begin)(struct oom_watch *watch, pid_t pid, void *data);
	/* … and tells whether it ran out; *ret_limit is 0 when it is the machine's. */
	bool (*oom_look)(const struct oom_watch *watch, uint64_t *ret_limit, void *data);

	/* The last lines of a run, for a crash. */
	void (*last_lines)(const char *log_dir, uint32_t run, size_t max, struct strv *ret,
	                   void *data);
};
