/*
 * keeper - one run of one service: its processes, its output, its socket.
 *
 *   running   the leader lives
 *   grace     a stop was asked for, or the leader ended and left others behind:
 *             they have the stop signal and until the deadline
 *   killing   the deadline passed, or a kill was asked for: sweeps until all are gone
 *
 * It ends when there is no descendant left: then the output is drained, the exit
 * record goes to the disk, and subscribers are told.  Nothing waits for the end of
 * a pipe, which a stranger may hold open.
 *
 * A keeper that takes over from one that was lost is not the parent: what it does otherwise
 * is in adoption.c.
 */
#pragma once

#include "keeper/log_writer.h"
#include "keeper/program_io.h"
#include "keeper/protocol.h"
#include "keeper/run_cgroup.h"
#include "keeper/tree.h"

#define KEEPER_CLIENTS_MAX 16

enum keeper_phase { PHASE_RUNNING, PHASE_GRACE, PHASE_KILLING };

struct keeper_client {
	int fd;
	bool is_subscribed;
	bool wants_ends;             /* the next status is to bring the ends of the output */
	bool is_attached, is_writer; /* is_writer: what it sends is input; one at most */
};

struct keeper {
	const struct keeper_spec *spec;
	struct log_writer log;
	struct program_io io;
	int signal_fd, listen_fd, notify_fd;
	struct keeper_client clients[KEEPER_CLIENTS_MAX];
	size_t client_count;
	struct keeper_status status;
	enum keeper_phase phase;
	bool is_leader_gone, is_tree_gone;
	bool is_stop_requested;
	int64_t next_drops_ms; /* while the disk is full: when it is tried and told again */
	bool has_told_sender, has_told_main_pid;
	pid_t stop_pid; /* of the stop command; 0: none runs */
	int64_t started_ms, deadline_ms, next_sweep_ms, sweep_delay_ms;
	int64_t watchdog_at_ms; /* 0: no watchdog runs */
	struct tree_killed killed;
	char *run_mark;
	struct run_cgroup cgroup;

	/* After an adoption. */
	bool is_adopted;         /* the service is not our child */
	struct tree_marks marks; /* of the tree then */
	int64_t next_look_ms, exit_known_by_ms;
	bool is_exit_learned;
};

/*
 * Log, socket, signals; the spec is borrowed.  `passed` descriptors from 3 on are from the
 * keeper whose service is adopted.  Nothing has been started when this fails.
 */
int keeper_open(struct keeper *keeper, const struct keeper_spec *spec, int passed,
                struct error *err);
/* Starts the program and stays until its tree is gone. */
void keeper_run(struct keeper *keeper);
void keeper_release(struct keeper *keeper);

/* The marks of an adopted tree; NULL: it is our own. */
static inline const struct tree_marks *keeper_marks(const struct keeper *keeper)
{
	return keeper->is_adopted ? &keeper->marks : NULL;
}

/* The leader ended and others are left: these are asked to end, and have until the deadline. */
void keeper_end_rest(struct keeper *keeper);

/* Instead of starting a program, and when something may have ended: adoption.c. */
void keeper_adopt(struct keeper *keeper);
void keeper_look_after_adopted(struct keeper *keeper, bool has_leader_ended);

/* What the tree says about itself: told.c. */
void keeper_hear(struct keeper *keeper);
void keeper_check_watchdog(struct keeper *keeper, int64_t now_ms);

/* Subscribers and requests: clients.c. */
void keeper_tell(struct keeper *keeper);
void keeper_accept(struct keeper *keeper);
/* Reads one packet of the client and does what it asks. */
void keeper_serve(struct keeper *keeper, struct keeper_client *client);

/* What clients may ask for. */
void keeper_begin_stop(struct keeper *keeper);
void keeper_begin_kill(struct keeper *keeper);
void keeper_signal_all(struct keeper *keeper, int signo);
