/*
 * states - the life of a service as one table, state x event -> action.
 *
 *   waiting    wanted; a dependency is not there yet
 *   building   its image is being built or its bundle made
 *   starting   the keeper is being started
 *   running    the process is there; `ready` is a flag of the service
 *   unhealthy  was ready, and its probe fails
 *   stopping   told to stop; the tree is not gone yet
 *   scheduled  a job that waits until it is due
 *   stopped    at rest because it was told to, or never started
 *   exited     at rest because it ended well; with `always` a next start is due
 *   crashed    ended badly; a next try is due when the policy says so
 *   blocked    may not run: its configuration is not approved
 *
 * service/actions.c does what the table says.  No cell is empty, nothing is implied.
 */
#pragma once

#include <stdbool.h>

enum service_state {
	SERVICE_WAITING,
	SERVICE_PREPARING,
	SERVICE_STARTING,
	SERVICE_RUNNING,
	SERVICE_UNHEALTHY,
	SERVICE_STOPPING,
	SERVICE_SCHEDULED,
	SERVICE_STOPPED,
	SERVICE_EXITED,
	SERVICE_CRASHED,
	SERVICE_BLOCKED,
	SERVICE_STATE_COUNT,
};

enum service_event {
	EVENT_START,          /* an operation wants it up */
	EVENT_STOP,           /* an operation wants it down */
	EVENT_DEPS_READY,     /* every condition of its dependencies holds */
	EVENT_DEPS_FAILED,    /* one of them will not hold unless something is done */
	EVENT_PREPARED,       /* the bundle is there */
	EVENT_PREPARE_FAILED, /* it is not going to be */
	EVENT_STARTED,        /* the keeper says the program runs */
	EVENT_START_FAILED,   /* refused before there was a process */
	EVENT_PROBE_OK,
	EVENT_PROBE_FAILED, /* often enough in a row to count */
	EVENT_EXITED,       /* the tree is gone; the status may be unknown */
	EVENT_RETRY,        /* the back-off is over */
	EVENT_BLOCK,        /* the approval is gone */
	EVENT_DUE,          /* its time has come */
	SERVICE_EVENT_COUNT,
};

enum service_action {
	ACTION_NONE, /* only in an empty cell: a bug */
	ACTION_IGNORE,
	ACTION_WAIT,    /* -> waiting, and look at the dependencies */
	ACTION_ARM,     /* -> waiting; a job -> scheduled, unless it is to run now */
	ACTION_SKIP,    /* due while the run before goes on: says so */
	ACTION_HOLD,    /* stays waiting, and says for whom it waits in vain */
	ACTION_BEGIN,   /* dependencies hold: prepare or launch */
	ACTION_LAUNCH,  /* start the keeper */
	ACTION_GIVE_UP, /* -> crashed without a next try */
	ACTION_RUN,     /* -> running, probes begin */
	ACTION_MARK_READY,
	ACTION_MARK_UNHEALTHY,
	ACTION_SETTLE,         /* it ended by itself: exited or crashed, and the policy */
	ACTION_REST,           /* -> stopped */
	ACTION_CANCEL_PREPARE, /* -> stopped, and the build is called off */
	ACTION_STOP_KEEPER,    /* -> stopping */
	ACTION_START_AFTER,    /* start again once it has stopped */
	ACTION_STAY_DOWN,      /* forget a start that waited for the stop */
	ACTION_REST_OR_START,  /* it stopped: rest, or the start that waited */
	ACTION_BLOCK,          /* -> blocked */
	ACTION_BLOCK_RUNNING,  /* stop first; blocked once it has stopped */
	SERVICE_ACTION_COUNT,
};

enum service_action service_action_for(enum service_state state, enum service_event event);

/* "running"; and for tests and messages, events and actions. */
const char *service_state_name(enum service_state state);
const char *service_event_name(enum service_event event);

/* A keeper exists, is being made or being looked for. */
bool service_state_is_live(enum service_state state);
/* No process, none being made, nothing prepared or waited for (a next try may be due). */
bool service_state_is_at_rest(enum service_state state);
