#include "keeper/capture.h"

#include "base/clock.h"
#include "keeper/log_writer.h"
#include "keeper/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/param.h>

/* As the kernel makes it, and after so many that were found full. */
#define PIPE_FULL  (64 * 1024)
#define FULL_PIPES 16
#define WIDE_PIPE  (256 * 1024)

/* More than a terminal keeps for its reader. */
#define TERMINAL_HOLDS (256 * 1024)

static void emit(struct capture *capture, struct log_writer *log, unsigned int flags, size_t len)
{
	size_t all;
	const char *data = spool_bytes(capture->spool, capture->number, &all);

	log_writer_add(log, capture->stream, flags, data, len);
	spool_emitted(capture->spool, capture->number, len);
	capture->spool->streams[capture->number].is_continued = flags & LOG_CONT;
}

const char *capture_unfinished(const struct capture *capture, size_t *ret_len)
{
	*ret_len = 0;
	return capture->fd >= 0 ? spool_bytes(capture->spool, capture->number, ret_len) : "";
}

/*
 * A program that writes flat out is woken less often for a wider pipe.  Not all get one: what a
 * user's pipes may hold together is limited.
 */
static void widen(struct capture *capture, size_t taken)
{
	if (taken < PIPE_FULL || ++capture->full_pipes != FULL_PIPES)
		return;
	(void)fcntl(capture->fd, F_SETPIPE_SZ, WIDE_PIPE);
}

static void emit_lines(struct capture *capture, struct log_writer *log, size_t fresh)
{
	for (;;) {
		size_t len, most;
		const char *at = capture_unfinished(capture, &len), *last;

		most = MIN(len, LOG_RECORD_MAX_DATA);
		last = memrchr(at + fresh, '\n', most - fresh);
		if (last)
			emit(capture, log, 0, (size_t)(last + 1 - at));
		else if (most == LOG_RECORD_MAX_DATA ||
		         spool_is_full(capture->spool, capture->number))
			emit(capture, log, LOG_CONT, most);
		else
			return;
		fresh = 0;
	}
}

/* What is there from `fresh` on has not been looked at for the ends of lines. */
static void take_lines(struct capture *capture, struct log_writer *log, size_t fresh)
{
	size_t len;

	emit_lines(capture, log, fresh);
	(void)capture_unfinished(capture, &len);
	capture->idle_at_ms = len > 0 ? clock_mono_ms() + CAPTURE_IDLE_MS : 0;
}

bool capture_read(struct capture *capture, struct log_writer *log)
{
	const char *at;
	size_t len;
	ssize_t n = spool_take(capture->spool, capture->number, capture->fd);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		/* A terminal that was hung up says EIO, and would wake us for ever. */
		capture->is_over = n == 0 || errno != EAGAIN;
		return false;
	}
	widen(capture, (size_t)n);
	at = capture_unfinished(capture, &len);
	if (capture->tap)
		capture->tap(at + len - n, (size_t)n, capture->tap_data);
	take_lines(capture, log, len - (size_t)n);
	return true;
}

void capture_go_on(struct capture *capture, struct log_writer *log)
{
	if (capture->fd >= 0)
		take_lines(capture, log, 0);
}

void capture_idle(struct capture *capture, struct log_writer *log, int64_t now_ms)
{
	size_t len;

	if (capture->idle_at_ms == 0 || now_ms < capture->idle_at_ms)
		return;
	(void)capture_unfinished(capture, &len);
	emit(capture, log, LOG_CONT, len);
	capture->idle_at_ms = 0;
}

void capture_finish(struct capture *capture, struct log_writer *log)
{
	int64_t left = fcntl(capture->fd, F_GETPIPE_SZ);
	size_t len;

	if (capture->fd < 0)
		return;
	/* At most a pipe full: someone outside the tree may hold it and write for ever. */
	if (left < 0)
		left = TERMINAL_HOLDS;
	while (left > 0) {
		size_t before = capture->spool->streams[capture->number].end;

		if (!capture_read(capture, log))
			break;
		left -= (int64_t)(capture->spool->streams[capture->number].end - before);
		log_writer_flush(log);
		spool_keep(capture->spool, log);
	}
	(void)capture_unfinished(capture, &len);
	if (len > 0 || capture->spool->streams[capture->number].is_continued)
		emit(capture, log, LOG_PARTIAL, len);
	capture->idle_at_ms = 0;
}
