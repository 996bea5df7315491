/*
 * plan - what one service is to be: everything the daemon composed from the
 * configuration, with ports, environment and defaults already filled in.
 *
 * A plan is a value that owns all its strings.  `fingerprint` stands for the
 * whole of it: two plans with the same fingerprint start the same service, so
 * an apply leaves a running one alone.
 */
#pragma once

#include "base/array.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

enum plan_mode { PLAN_HOST, PLAN_CONTAINER };

enum dep_condition { DEP_READY, DEP_STARTED, DEP_COMPLETED };

struct plan_dep {
	char *name;
	enum dep_condition condition;
};

enum plan_health_kind {
	/* READY=1, or the port accepts and the listener is ours; without a port: started */
	PLAN_HEALTH_DEFAULT,
	PLAN_HEALTH_TCP,
	PLAN_HEALTH_HTTP, /* GET path, 2xx or 3xx */
	PLAN_HEALTH_COMMAND,
	PLAN_HEALTH_LOG,    /* a line matches the pattern */
	PLAN_HEALTH_NOTIFY, /* READY=1, see sd_notify(3) */
};

struct plan_health {
	enum plan_health_kind kind;
	char *path;       /* http */
	char *pattern;    /* log: an extended regular expression */
	struct strv argv; /* command; runs with the service's environment and folder */
	int64_t interval_ms, timeout_ms;
	int64_t start_period_ms; /* not ready after this long (0: no limit) is a failure */
	int retries;             /* failures in a row that make a ready service unhealthy */
	bool restart;            /* unhealthy, it is stopped and started again by the policy */
};

enum plan_restart { PLAN_RESTART_NO, PLAN_RESTART_ON_FAILURE, PLAN_RESTART_ALWAYS };

#define PLAN_LOG_BYTES (INT64_C(64) << 20)

struct service_plan {
	char *name;
	char *group; /* the service this is a replica of; NULL: it is the only one */
	enum plan_mode mode;
	struct strv argv; /* may be empty when needs_prepare */
	struct strv env;  /* NAME=value, complete */
	char *cwd;
	bool has_port;
	int port; /* where it is reached from the host, and what $PORT says; 0 without a port … */
	/* … unless its container has a network of its own: then $PORT is the port in there. */
	bool has_own_network;
	int inside_port;
	bool is_port_set; /* the configuration says which port … */
	char *port_place; /* … or would, here: "locald.toml:6"; NULL: no file to say it in */
	ARRAY(struct plan_dep) deps;
	struct plan_health health;
	int stop_signal;
	int64_t stop_timeout_ms;
	struct strv stop_argv;    /* the stop command; empty: the signal only */
	bool tty, has_stdin;      /* a terminal; else standard input is a pipe */
	int64_t log_bytes;        /* of its log that are kept */
	bool oneshot;             /* ready means completed */
	ARRAY(int) success_codes; /* besides 0 */
	enum plan_restart restart;
	int max_restarts; /* in a row; 0: no limit */
	char *schedule;   /* crontab(5): it is a job, which runs when it is due; NULL: it is not */
	int64_t every_ms; /* or is due this often; 0: not */
	bool needs_prepare; /* supervisor_events.prepare comes before each start */
	char *fingerprint;
};

/* Zeroed, with the defaults of docs/locald-toml: SIGTERM, 10 s, on-failure, probe each second. */
void service_plan_init(struct service_plan *plan, const char *name);
void service_plan_release(struct service_plan *plan);
void service_plan_copy(struct service_plan *dst, const struct service_plan *src);

/* Does it run when it is due, and not as long as it is wanted? */
static inline bool service_plan_is_job(const struct service_plan *plan)
{
	return plan->schedule || plan->every_ms > 0;
}

bool service_plan_is_success(const struct service_plan *plan, int exit_code);

/* One line such as "no such service db in depends_on of web", or a cycle's full path. */
int service_plans_check(const struct service_plan *plans, size_t count, struct error *err);
