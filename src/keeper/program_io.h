/*
 * program_io - the standard input and output of the program: pipes, or a terminal.
 *
 * Pipes have a capture each, so that the streams stay apart; a terminal has one, for a pipe
 * through which its output goes, as a pipe outlives its keeper with all that is in it.  The
 * program's ends stay open here too, for the stop command, and so that nothing depends
 * on an end of file.  What another keeper would need, the spool and a pidfd of the program
 * too, is passed on with program_io_ends(), and taken over by program_io_adopt().
 */
#pragma once

#include "keeper/capture.h"
#include "keeper/spool.h"

#include <stddef.h>

struct error;
struct keeper_spec;

#define PROGRAM_ENDS_MAX (3 + SPOOL_STREAMS + 1)

struct program_io {
	struct spool spool;
	struct capture captures[2]; /* of it: not to be moved */
	int program_ends[2];        /* what the program gets as 1 and 2 */
	int program_input;          /* as 0; -1: /dev/null */
	int input;                  /* ours, may be the terminal; -1: nobody reads */
	int relay;                  /* where the terminal's output goes; -1: it is read itself */
	bool is_hung_up;            /* the terminal, which says no more then */
	int leader;                 /* pidfd, which tells the end of who was reaped; or -1 */
	bool is_tty;
	char *pending; /* input that the program has not taken yet */
	size_t pending_at, pending_len;
};

#define PROGRAM_IO_INIT                                                                            \
	{                                                                                          \
		.spool = SPOOL_INIT, .captures = {{.fd = -1}, {.fd = -1}},                         \
		.program_ends = {-1, -1}, .program_input = -1, .input = -1, .relay = -1,           \
		.leader = -1                                                                       \
	}

int program_io_open(struct program_io *io, const struct keeper_spec *spec, struct error *err);
/*
 * Takes over `count` descriptors from 3 on, as program_io_ends() gave them; false when
 * they are none of ours, and then the output of the service is not seen any more.
 */
bool program_io_adopt(struct program_io *io, const struct keeper_spec *spec, int count);
void program_io_release(struct program_io *io);

/* Borrowed descriptors to pass; returns how many. */
size_t program_io_ends(const struct program_io *io, int fds[PROGRAM_ENDS_MAX]);

/* Moves what a terminal has on to its capture; false when there is nothing, or no terminal. */
bool program_io_pull(struct program_io *io);

/* Takes input; only when nothing is pending. */
void program_io_write(struct program_io *io, const char *data, size_t len);
/* Goes on with what is pending. */
void program_io_flush(struct program_io *io);
static inline bool program_io_is_pending(const struct program_io *io)
{
	return io->pending_at < io->pending_len;
}

/* Nothing when it is no terminal, or a side is 0. */
void program_io_resize(struct program_io *io, int rows, int cols);
