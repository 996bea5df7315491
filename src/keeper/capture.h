/*
 * capture - turns the bytes of one output stream into records of whole lines.
 *
 * What one read brought becomes one record, or two, so a record more costs a read more.  What
 * was read stays in the spool until it is in the log.
 * A line longer than half of a spool may go out in pieces flagged LOG_CONT, and
 * so does one that stays unfinished for CAPTURE_IDLE_MS (a prompt).  Every line
 * ends with a record that is not continued: at the end of the stream that is a
 * LOG_PARTIAL one.
 */
#pragma once

#include "keeper/log_record.h"

struct log_writer;
struct spool;

#define CAPTURE_IDLE_MS 200

/* Hears of bytes as they come. */
typedef void capture_tap_fn(const char *bytes, size_t len, void *data);

struct capture {
	int fd;       /* -1: none */
	bool is_over; /* nothing comes any more; a last read is tried all the same */
	enum log_stream stream;
	struct spool *spool;
	int number;              /* of its stream there */
	unsigned int full_pipes; /* how often the program had to wait for us */
	int64_t idle_at_ms;      /* when an unfinished line goes out; 0: there is none */
	capture_tap_fn *tap;     /* NULL: nobody listens */
	void *tap_data;
};

/*
 * Reads once; false when nothing is there, or nothing comes any more.  After that the log is to
 * be flushed, and spool_keep() called.
 */
bool capture_read(struct capture *capture, struct log_writer *log);
/* Takes up what another keeper had taken, but not logged. */
void capture_go_on(struct capture *capture, struct log_writer *log);
/* The line that is not whole yet. */
const char *capture_unfinished(const struct capture *capture, size_t *ret_len);
/* Stores an unfinished line whose time has come. */
void capture_idle(struct capture *capture, struct log_writer *log, int64_t now_ms);
/* Reads what is there now, no matter who still has it open, and ends the last line. */
void capture_finish(struct capture *capture, struct log_writer *log);
