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
 */
#pragma once

#include "keeper/log_writer.h"
#include "keeper/program_io.h"
#include "keeper/protocol.h"

#define KEEPER_CLIENTS_MAX 16

enum keeper_phase { PHASE_RUNNING, PHASE_GRACE, PHASE_KILLING };

struct keeper_client {
	int fd;
	bool is_subscribed;
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
};

/* Log, socket, signals; the spec is borrowed.  Nothing has been started when this fails. */
int keeper_open(struct keeper *keeper, const struct keeper_spec *spec, struct error *err);
/* Starts the program and stays until its tree is gone. */
void keeper_run(struct keeper *keeper);
void keeper_release(struct keeper *keeper);

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
