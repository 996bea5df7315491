/*
 * keeper_run - runs the real locald-keeper for a test, talks to it and reads its log.
 */
#pragma once

#include "base/strbuf.h"
#include "keeper/log_record.h"
#include "keeper/protocol.h"

struct fixture {
	const char *program; /* locald-keeper */
	char *dir, *spec_path;
	struct keeper_spec spec;
	struct strbuf log; /* the segments, one after the other */
};

/* The program's path is the only argument of main(). */
bool take_program(int argc, char **argv);

int set_up(void **state);
int tear_down(void **state);

void write_spec(struct fixture *f);
/* The exit status of the program that starts the keeper. */
int start_keeper(struct fixture *f);
void start_args(struct fixture *f, const char *const *args);
void start(struct fixture *f, const char *script);

/* -1 when the keeper has ended already. */
int dial(struct fixture *f);
void say(int fd, const char *text);
/* The next packet; false at the end of the connection. */
bool hear(int fd, struct keeper_packet *packet);
void wait_gone(struct fixture *f);
/* Asks for a stop and waits for the end; the last packet is the exited status. */
void stop(struct fixture *f, struct keeper_packet *last);
/* Waits until the service has written its pid there. */
pid_t read_pid(struct fixture *f, const char *name);

struct collected {
	struct strbuf out, err, events;
	uint64_t first_pos, end_pos, stored;
	unsigned int last_flags;
	bool has_first;
};

#define COLLECTED_INIT                                                                             \
	{                                                                                          \
		STRBUF_INIT, STRBUF_INIT, STRBUF_INIT                                              \
	}

void collected_release(struct collected *c);
/* All that is in the log; every byte must belong to a record, and seqs have no hole. */
void collect(struct fixture *f, struct collected *c);
int64_t event_int(const struct collected *c, const char *key);
