/*
 * supervisor - keeps the services of all projects in the states they should be in.
 *
 * Life of a service: states.h.  Commands are operations in one queue a project:
 * an apply or a restart waits for the one before it; a stop does not wait, it
 * takes its services out of the operations before it (they end as interrupted),
 * so a long build can always be called off.  Dependencies start first and stop
 * last, branches go in parallel.
 *
 * The supervisor persists nothing: at each on_state the daemon saves run,
 * fingerprint and wanted, and gives them back to supervisor_adopt() after its own
 * restart; keepers and their logs know the rest.
 *
 * Does not block and starts nothing itself: all it does to the machine goes
 * through struct supervisor_world (world.h), so a test runs it without one.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "service/plan.h"
#include "service/states.h"

#include <stdint.h>
#include <sys/types.h>

struct supervisor;
struct supervisor_world;

/* Crashes in a row that make whoever waits for it say that it failed. */
#define CRASHES_FOR_FAILURE 3

struct service_exit {
	bool is_known;    /* false: never ended, or the keeper itself was lost */
	bool never_began; /* there was no process: the daemon that was to start it had died */
	int code;         /* -1 when ended by a signal */
	int signal;
	bool killed;      /* SIGKILL was needed to end it */
	int killed_count; /* for so many processes; 0: not counted */
	bool requested;   /* its keeper was told to end it */
	int64_t run_ms, ago_ms;
};

/* A service as it is now; borrowed, valid during the call that gives it. */
struct service_snapshot {
	const struct service_plan *plan; /* what the next start will use */
	enum service_state state;
	bool ready;
	bool wanted; /* the last accepted operation wants it up */
	pid_t pid;   /* 0: no process */
	uint64_t start_ticks;
	uint32_t run;            /* of the current or last run; 0: never */
	const char *fingerprint; /* of that run; NULL: never */
	int port;            /* where it really answers; differs from plan->port with a warning */
	int inside_port;     /* in a network of its own: what `port` was opened to; 0: nothing */
	bool is_ipv6_only;   /* it listens on ::1 only */
	bool is_port_stolen; /* a stranger listens on its port: nobody is to be sent there */
	const char *detail;  /* one line, why it is in this state; NULL: nothing to say */
	const char *warning; /* something to fix, with the fix; NULL: none */
	struct service_exit last_exit;
	const struct strv *last_lines; /* of a run that crashed, or is not ready in time */
	int overdue_ms;                /* it is not ready after that; 0: it is, or may be */
	int restarts;                  /* in a row */
	int64_t crashing_ms;           /* from the first end of that row to the last */
	int64_t next_try_ms;           /* from now; -1: none is due */
	int64_t next_run_real_ns;      /* of a job; 0: none is due */
	int64_t started_real_ns;       /* of this run; 0: not yet */
	/* Durations are not by the wall clock, which may be set. */
	int64_t age_ms;   /* of its process; -1: there is none */
	int64_t ready_ms; /* since it is ready; -1: it is not, or need not be */
	int probe_ms;     /* how long the last good look took; -1: nothing was asked */
	pid_t root;       /* of its tree: its keeper, or without one its leader; 0: none */
	bool is_degraded; /* its keeper was lost, and another took over; until the next start */
	bool is_log_full; /* the disk takes none of its output now */
	uint64_t dropped_bytes; /* of this run's output, for that reason */
};

struct supervisor_events {
	/* Something in the snapshot changed.  Before a start it comes with the new run's number. */
	void (*on_state)(const char *project, const struct service_snapshot *service, void *data);
	/*
	 * Make what the plan needs (image, bundle), then call supervisor_prepared() with
	 * the token, from here or later.
	 */
	void (*prepare)(const char *project, const struct service_plan *plan, uint64_t token,
	                void *data);
	/* The token is dead; kill the job.  supervisor_prepared() with it does nothing any more. */
	void (*cancel_prepare)(uint64_t token, void *data);
	/* With a network of its own the service listens on `inside_port`: its port may open. */
	void (*open_port)(const char *project, const struct service_plan *plan, int inside_port,
	                  void *data);
	/* A route changed: port, readiness or liveness of a service that has a port. */
	void (*on_ports)(const char *project, void *data);
	/* A run ended badly: a line that says why, if more is known than its code; owned. */
	char *(*explain_end)(const char *project, const struct service_plan *plan, void *data);
};

/* How one service came out of an operation. */
struct service_result {
	const char *service;
	struct error err; /* code 0: as wanted */
	bool was_changed; /* false: it already was as wanted, nothing was done */
};

/*
 * The operation is over; called exactly once, never before the function that made
 * it has returned.  Results are borrowed, in the order of the project's services.
 */
typedef void supervisor_done_fn(uint64_t operation, const struct service_result *results,
                                size_t count, void *data);

/* Folders for sockets, specs and logs; called for each service once, the result is copied. */
struct supervisor_paths {
	/* keepers/<project id>/<service>.sock and .spec: without the suffix */
	char *(*keeper)(const char *project, const char *service, void *data);
	char *(*log_dir)(const char *project, const char *service, void *data);
	/* The socket for sd_notify(3); NULL, or returns NULL: there is none. */
	char *(*notify)(const char *project, const char *service, void *data);
	void *data;
};

/* world, events and data must outlive it. */
struct supervisor *supervisor_new(const struct supervisor_world *world,
                                  const struct supervisor_paths *paths,
                                  const struct supervisor_events *events, void *data);
/* Lets go of keepers without stopping a service. */
void supervisor_free(struct supervisor *sup);

struct apply_options {
	const struct strv *subset;   /* NULL or empty: all of the plans */
	bool no_deps;                /* the subset only, not what it depends on */
	bool force_restart;          /* restart what is unchanged too … */
	const struct strv *forced;   /* … but only these; NULL or empty: all of the subset */
	bool is_exact;               /* an empty subset means no service */
	const struct strv *excluded; /* NULL, or stopped since this was asked for: left alone */
};

/*
 * Makes `plans` (copied) the services of the project, starts those in the subset
 * with what they depend on, restarts those of them that run with another
 * fingerprint, and stops services that are not in the plans any more.  Returns the
 * operation's number, or 0 with an error (unknown name, cycle), having done nothing.
 */
uint64_t supervisor_apply(struct supervisor *sup, const char *project,
                          const struct service_plan *plans, size_t count,
                          const struct apply_options *options, supervisor_done_fn *done, void *data,
                          struct error *err);

/* subset NULL or empty: every service of the project. */
uint64_t supervisor_stop(struct supervisor *sup, const char *project, const struct strv *subset,
                         supervisor_done_fn *done, void *data, struct error *err);
uint64_t supervisor_restart(struct supervisor *sup, const char *project, const struct strv *subset,
                            supervisor_done_fn *done, void *data, struct error *err);

/*
 * Calls an operation off: what waits or prepares goes back to stopped, what already
 * runs stays.  Its done comes with ERR_INTERRUPTED for what was not reached.
 */
void supervisor_cancel(struct supervisor *sup, uint64_t operation);

/* What the daemon saved of a service from its last on_state. */
struct service_memory {
	const char *service;
	uint32_t run;
	const char *fingerprint;
	bool wanted;
	bool ready;   /* that run was */
	bool is_held; /* not to be started again without an operation; what runs goes on */
};

/*
 * After a restart of the daemon: finds the keepers that live, and for the others
 * the exit records in the log; then the restart policy goes on.  Starts nothing
 * that was not wanted.
 */
int supervisor_adopt(struct supervisor *sup, const char *project, const struct service_plan *plans,
                     size_t count, const struct service_memory *memory, size_t memory_count,
                     struct error *err);

/* Makes the services known without starting any: stopped, or blocked with a reason. */
int supervisor_declare(struct supervisor *sup, const char *project,
                       const struct service_plan *plans, size_t count, const char *blocked_reason,
                       struct error *err);

/* Forgets a project; everything in it must be at rest (-1 with EBUSY otherwise). */
int supervisor_forget(struct supervisor *sup, const char *project, struct error *err);

/* The answer to prepare(): argv and env to start, or err != NULL with why not. Copies. */
void supervisor_prepared(struct supervisor *sup, uint64_t token, const struct strv *argv,
                         const struct strv *env, const struct error *err);

typedef void supervisor_each_fn(const char *project, const struct service_snapshot *service,
                                void *data);
/* project NULL: all of them. Returns how many services there were. */
size_t supervisor_each(struct supervisor *sup, const char *project, supervisor_each_fn *fn,
                       void *data);
/* False when there is no such service; borrowed until the supervisor is used again. */
bool supervisor_find(struct supervisor *sup, const char *project, const char *service,
                     struct service_snapshot *ret);
