/*
 * fake_world - a machine made of values, for tests of the supervisor: time moves
 * when fake_run() says so, and services behave as `behaviours` says.
 */
#pragma once

#include "service/supervisor.h"
#include "service/world.h"

/* How the next run of a service goes. */
struct behaviour {
	char name[16];
	int64_t ready_after_ms; /* probes succeed from then on; -1: never */
	int64_t exit_after_ms;  /* -1: lives until it is stopped */
	int exit_code;
	int exit_signal;
	int64_t stop_takes_ms;
	int listens_on; /* another port than $PORT; 0: the right one */
	bool is_held_by_stranger;
	int64_t line_after_ms; /* its log matches then; -1: never */
	const char *refusal;   /* the keeper cannot be started */
	bool is_alive;         /* for adoption: its keeper is there */
	bool is_exit_unknown;  /* the keeper ends without an exit record */
	bool is_exit_requested;
	bool never_began; /* for adoption: its keeper was never started */
};

struct keeper {
	char *name;
	uint32_t run;
	int64_t started_ms;
	const struct keeper_events *events;
	void *data;
	struct timer *timers[2]; /* its start, its end */
	struct fake_world *fake;
};

struct fake_world {
	struct supervisor_world world;
	int64_t now_ms, clock_ahead_ms;
	ARRAY(struct timer *) timers;
	ARRAY(struct keeper *) keepers; /* alive */
	struct behaviour behaviours[16];
	bool is_out_of_memory;
	uint64_t oom_limit;
	int taken_port; /* port_check() refuses it */
	int starts;     /* keepers started */
	enum keeper_op last_command;
	uint64_t next_timer;
};

void fake_init(struct fake_world *fake);
void fake_release(struct fake_world *fake);
struct behaviour *fake_behaviour(struct fake_world *fake, const char *name);
/* Sets the wall clock, by so much. */
void fake_set_clock(struct fake_world *fake, int64_t ahead_ms);
/* Lets time pass. */
void fake_run(struct fake_world *fake, int64_t ms);
struct keeper *fake_keeper(struct fake_world *fake, const char *name);
/* The keeper tells this status of a service that runs; pid and run are filled in. */
void fake_notify(struct fake_world *fake, const char *name, struct keeper_status status);
