/*
 * spool - what was taken from the program's output and is not in the log yet, kept
 * where it outlives its keeper: a SIGKILL at any moment loses no byte, and doubles none.
 *
 * A stream's bytes go from its pipe into a file in memory by splice(2).  They end at the
 * file's offset, which the kernel moves together with them.  Where they begin is in a page
 * that is mapped: spool_keep() notes there, as one step, that all that was emitted is in
 * the log.  Whoever has the descriptors can give them to the next keeper, which finds with
 * spool_recover() what the log has not got.  What cannot be spliced is read: a SIGKILL between
 * the read and the note of its length loses that read.
 *
 * When room is needed, the start of a line that is not whole yet moves to the front, which
 * was emitted before.
 */
#pragma once

#include "keeper/log_record.h"

#include <sys/types.h>

struct error;
struct log_writer;
struct spool_page;

#define SPOOL_STREAMS 2
#define SPOOL_SIZE    (80UL * 1024) /* of a stream; a keeper's memory is counted */

struct spool_stream {
	int fd;
	bool can_splice;
	bool is_continued; /* its last record was flagged LOG_CONT */
	size_t begin, end; /* taken, but not emitted */
};

struct spool {
	struct spool_page *page; /* NULL: closed */
	struct spool_stream streams[SPOOL_STREAMS];
};

#define SPOOL_INIT                                                                                 \
	{                                                                                          \
		.streams = { {.fd = -1}, {.fd = -1} }                                              \
	}

int spool_open(struct spool *spool, struct error *err);
/* Takes the descriptors of another's spool, `streams[i].fd`; false when they are none. */
bool spool_adopt(struct spool *spool, const int fds[SPOOL_STREAMS]);
void spool_release(struct spool *spool);

/* Reads once what is there; as read(2), and EAGAIN when there is no room before spool_keep(). */
ssize_t spool_take(struct spool *spool, int stream, int from);
/* What was taken but not emitted. */
const char *spool_bytes(const struct spool *spool, int stream, size_t *ret_len);
/* No room can be made before these are emitted. */
bool spool_is_full(const struct spool *spool, int stream);
/* So many of these have gone to the log's writer. */
void spool_emitted(struct spool *spool, int stream, size_t len);

/* All that was emitted is in the log now, or counted as lost: the batch is empty. */
void spool_keep(struct spool *spool, const struct log_writer *log);
/* After spool_adopt() and log_writer_open(): goes on where the keeper before was killed. */
void spool_recover(struct spool *spool, struct log_writer *log);
