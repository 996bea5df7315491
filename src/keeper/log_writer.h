/*
 * log_writer - appends records to the segments of one log.
 *
 * Records gather in a batch and go out with one writev(2) in log_writer_flush(), until
 * when what was given to log_writer_add() has to stay.  A new segment begins when one is full; the
 * oldest go when there are too many. A write that the disk refuses drops its batch, counts it, and
 * leaves the segment whole; a `drop` event tells of it as soon as a write succeeds again.
 *
 * Holds an flock on the folder, so that a log has one writer.  Blocks as long as
 * the disk does.  Format: log_record.h.
 *
 * While a run goes on the disk has room in reserve for its end: what was dropped, and the exit.
 * Output that would need the last room is dropped.
 */
#pragma once

#include "base/array.h"
#include "keeper/log_record.h"

#include <sys/uio.h>

struct error;

#define LOG_WRITER_PARTS 8

struct log_writer {
	int dir, fd;
	uint64_t segment_bytes;
	uint32_t segment_count;
	uint32_t run, boot;
	uint64_t seq, pos;        /* of the next record */
	uint64_t size;            /* of the open segment */
	int64_t mono_ns, real_ns; /* given to new records */
	char *frames;             /* of the batch: heads, and data that is short */
	size_t frames_len;
	struct iovec parts[LOG_WRITER_PARTS]; /* of the batch: of frames, and data of others */
	int part_count;
	size_t batch_len;
	uint64_t batch_first;              /* its first seq */
	uint64_t batch_lines, batch_bytes; /* of the service, events not counted */
	/* Not told by an event yet; records are seqs, lines those of the service among them. */
	uint64_t lost_records, lost_lines, lost_bytes;
	int lost_errno;
	uint64_t dropped_bytes; /* in all of this run */
	bool has_no_reserve;    /* so only the end may be written */
	bool is_ending;
};

#define LOG_WRITER_INIT                                                                            \
	{                                                                                          \
		.dir = -1, .fd = -1                                                                \
	}

/* Where a log is, and what it owes its readers: how one keeper's writer goes on with another's. */
struct log_position {
	uint64_t seq, pos;
	uint64_t lost_records, lost_lines, lost_bytes, dropped_bytes;
	int64_t lost_errno;
};

/* The first seqs of a folder's segments, in order. */
struct log_segments {
	ARRAY(uint64_t) seqs;
};

int log_segments_list(int dir, struct log_segments *ret, struct error *err);

/* Takes up the log after its last whole record; ERR_CONFLICT when another writes it. */
int log_writer_open(struct log_writer *log, const char *folder, uint64_t segment_bytes,
                    uint32_t segment_count, uint32_t run, struct error *err);
void log_writer_release(struct log_writer *log);
/* Lets another keeper have the log; the counters stay. */
void log_writer_close(struct log_writer *log);

/* While the batch is empty. */
void log_writer_position(const struct log_writer *log, struct log_position *ret);
/* A writer of this run was killed after it had been there: what it lost is owed by this one. */
void log_writer_go_on(struct log_writer *log, const struct log_position *position);

/* The time of the records that follow. */
void log_writer_tick(struct log_writer *log);
/*
 * A line, a piece of one, or whole lines; len is at most LOG_RECORD_MAX_DATA.  The bytes are
 * borrowed until the next flush.
 */
void log_writer_add(struct log_writer *log, enum log_stream stream, unsigned int flags,
                    const char *data, size_t len);
void log_writer_event(struct log_writer *log, const char *fmt, ...) printf_like(2, 3);
void log_writer_flush(struct log_writer *log);

/* Does the disk refuse what is written? */
bool log_writer_is_full(const struct log_writer *log);
/* Has the folder been removed, so that nothing can be written any more? */
bool log_writer_is_removed(const struct log_writer *log);
/* Tries to tell of what it refused, without waiting for more output. */
void log_writer_retry(struct log_writer *log);

/* Writes the last event with what was kept in reserve, and syncs; false when it is not on disk. */
bool log_writer_finish(struct log_writer *log, const char *event);
