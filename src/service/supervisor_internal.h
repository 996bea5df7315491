/*
 * supervisor_internal - what the files of the supervisor share, and nobody else.
 *
 *   supervisor.c  projects, services, snapshots, the public verbs
 *   operation.c   the queue: what an operation sends to which service, and when
 *   actions.c     what the table's actions do to one service
 *   deps.c        conditions between services
 *   keeper_told.c what a keeper is given, and what follows from what it tells
 *   exit_text.c   how a run ended, in words
 *   readiness.c   probes, before and after ready
 *   schedule.c    when a job is due
 *   adopt.c       after a restart of the daemon
 *
 * Everything happens in two steps: an event changes one service at once and kicks
 * its project; project_advance(), from the loop, then looks at waiting services
 * and operations.  So no function here is entered twice.
 */
#pragma once

#include "service/supervisor.h"
#include "service/world.h"

/* So long must a service without a probe live until it is called up, and counted on. */
#define SETTLE_MS 150
/* Ready for so long, a crash is a new story. */
#define STABLE_MS 60000

struct service_link {
	struct service *on; /* NULL: not in the project (any more) */
	enum dep_condition condition;
};

struct service {
	struct supervisor *sup;
	struct project *project; /* NULL once forgotten */
	int refs;                /* the project's, and one for each target */
	struct service_plan plan;
	ARRAY(struct service_link) links;
	enum service_state state;
	bool ready, wanted;
	bool has_settled;       /* without a probe: lives long enough to be counted on */
	bool is_overdue;        /* start_period has passed without ready */
	bool is_doomed;         /* an operation is going to stop it: not to be depended on */
	bool is_removed;        /* forgotten once at rest */
	bool is_held;           /* blocked once it ends: its configuration is not approved */
	bool ignores_deps;      /* started with no_deps */
	bool is_found_stopping; /* somebody had told its keeper so before we met it */
	bool starts_after, blocks_after; /* once it has stopped */
	uint32_t run;
	char *fingerprint; /* of that run */

	struct keeper *keeper;
	pid_t keeper_pid, pid;
	uint64_t start_ticks;
	uint64_t prepare_token; /* 0: none */
	struct strv argv, env;  /* from supervisor_prepared(); empty: the plan's */

	/* What the service says of itself in this run, by sd_notify(3) or in its log. */
	bool is_told_ready, is_told_stopping;
	char *told_text;
	int64_t extended_until_ms; /* it asked for time to become ready; 0: never */
	struct oom_watch oom;
	char *end_reason; /* why we are ending this run, which makes it a failure */
	char *end_cause;  /* why it ended, where the runtime knows; NULL: its code says it */
	struct log_match *match;

	struct timer *due;   /* of a job: its next run */
	int64_t due_at_ms;   /* with every: on the monotonic clock */
	int64_t due_real_ns; /* by the wall; 0: none is due */
	bool runs_now;       /* a job is to run at once, not when it is due */

	struct timer *timer; /* the next try, or the end of settling or start_period */
	struct timer *probe_timer;
	struct probe *probe;
	int64_t probe_delay_ms;
	int probe_failures;
	int port, other_port;
	int inside_port;        /* what `port` was opened to, in a network of its own */
	int64_t other_since_ms; /* since when other_port is seen */
	bool is_ipv6_only;
	bool is_port_stolen; /* a stranger listens where it should */

	int crashes; /* in a row, from … to */
	int64_t first_crash_at_ms, last_crash_at_ms;
	bool has_next_try;
	int64_t next_try_at_ms, ready_at_ms;
	int64_t started_real_ns;
	int64_t ready_boot_ms, exited_boot_ms; /* 0: not yet */
	int64_t probe_began_ms;
	int probe_ms;     /* of the last good one; -1: it asked nothing */
	bool is_degraded; /* its keeper was lost, and another took over or is about to */
	char *run_mark;   /* then: what the processes of the run have in their environment */
	bool is_log_full;
	uint64_t dropped_bytes;
	struct service_exit last_exit;
	struct strv last_lines;
	struct error failure; /* why it is not as wanted */
	char *detail, *warning;
	unsigned int held_in_pass; /* these two: see operation.c */
	uint64_t reached_by;
};

enum operation_kind { OPERATION_APPLY, OPERATION_STOP, OPERATION_RESTART };

struct target {
	struct service *service; /* holds a reference */
	bool must_stop, must_start;
	bool is_stop_sent, is_start_sent;
	bool is_done, was_changed;
	struct error err;
};

struct operation {
	uint64_t id;
	enum operation_kind kind;
	ARRAY(struct service_plan) plans;
	struct strv subset;   /* empty: all */
	struct strv excluded; /* stopped by a later operation before this one began */
	struct strv forced;   /* to be restarted though unchanged; empty: all, with force_restart */
	bool no_deps, force_restart, is_exact;
	bool has_begun, is_cancelled;
	ARRAY(struct target) targets;
	supervisor_done_fn *done;
	void *data;
};

struct operation_list {
	ARRAY(struct operation *) items;
};

struct project {
	struct supervisor *sup;
	char *id;
	ARRAY(struct service *) services;
	ARRAY(struct operation *) queue;
	struct operation_list finished; /* done has not been called yet */
	struct timer *kick;
	bool are_ports_dirty;
};

struct supervisor {
	const struct supervisor_world *world;
	struct supervisor_paths paths;
	const struct supervisor_events *events;
	void *data;
	ARRAY(struct project *) projects;
	uint64_t last_operation, last_token;
	unsigned int pass;
};

/* supervisor.c */
struct project *project_find(struct supervisor *sup, const char *id);
struct project *project_get(struct supervisor *sup, const char *id);
struct service *supervised_service(struct project *project, const char *name);
/* Looks at the whole project soon, from the loop. */
void project_kick(struct project *project);
/* The service of that plan, made if needed; takes over the plan unless the run has the same. */
struct service *project_put(struct project *project, const struct service_plan *plan);
void project_link(struct project *project);
void service_unref(struct service *service);
/* Tells the daemon, and has the project looked at. */
void service_changed(struct service *service);
struct service_snapshot service_snapshot_of(const struct service *service);

/* actions.c: looks the event up in the table and does it. */
void service_handle(struct service *service, enum service_event event);
/* NULL: nothing to say.  True when it is another text than before. */
bool service_set_detail(struct service *service, const char *fmt, ...) printf_like(2, 3);
/* keeper_told.c.  The caller releases the spec. */
void service_keeper_spec(const struct service *service, struct keeper_spec *ret);
extern const struct keeper_events service_keeper_events;
/*
 * Ends a run that goes on but is as good as crashed; what follows is the restart policy's.
 * Keeps `reason`.
 */
void service_end_failed_run(struct service *service, enum keeper_op how, char *reason);
void service_clear_timers(struct service *service);
static inline pid_t service_root(const struct service *service)
{
	return service->is_degraded ? service->pid : service->keeper_pid;
}

/* exit_text.c: of the last run; once for each, as what it says of memory is counted. */
char *service_exit_text(struct service *service) must_check;

/* schedule.c */
/* Sets the timer for the next run of a job, unless it is set. */
void schedule_arm(struct service *service);
void schedule_disarm(struct service *service);
/* "next run at 12:05:00"; NULL when none is due. */
char *schedule_text(const struct service *service);

/* deps.c: sends EVENT_DEPS_READY or EVENT_DEPS_FAILED to a waiting service. */
void service_check_deps(struct service *service);

/* readiness.c */
void readiness_begin(struct service *service);
void readiness_end(struct service *service);
/* READY=1 has come, or its log matched. */
void readiness_told(struct service *service);

/* operation.c */
struct operation *operation_new(struct project *project, enum operation_kind kind,
                                const struct strv *subset, supervisor_done_fn *done, void *data);
/* Puts it into the queue; a stop takes its services out of the operations before it. */
void operation_submit(struct project *project, struct operation *operation);
void operation_free(struct operation *operation);
/* Does what can be done now; true when something happened.  What is over goes to `finished`. */
bool operations_advance(struct project *project);
/* Calls done, which may do what it likes to the project, and frees the operation. */
void operation_finish(struct operation *operation);
