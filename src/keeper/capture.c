#include "keeper/capture.h"

#include "base/clock.h"
#include "base/mem.h"
#include "keeper/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* More than a terminal keeps for its reader. */
#define TERMINAL_HOLDS (256 * 1024)

static void emit(struct capture *capture, struct log_writer *log, unsigned int flags,
                 const char *data, size_t len)
{
	log_writer_add(log, capture->stream, flags, data, len);
	capture->is_continued = flags & LOG_CONT;
}

bool capture_read(struct capture *capture, struct log_writer *log)
{
	char *at, *end, *last;
	ssize_t n;

	if (!capture->buf)
		capture->buf = xmalloc(LOG_RECORD_MAX_DATA);
	n = read(capture->fd, capture->buf + capture->len, LOG_RECORD_MAX_DATA - capture->len);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		/* A terminal that was hung up says EIO, and would wake us for ever. */
		capture->is_over = n == 0 || errno != EAGAIN;
		return false;
	}
	if (capture->tap)
		capture->tap(capture->buf + capture->len, (size_t)n, capture->tap_data);
	at = capture->buf;
	last = memrchr(at + capture->len, '\n', (size_t)n);
	capture->len += (size_t)n;
	end = at + capture->len;
	if (last) {
		emit(capture, log, 0, at, (size_t)(last + 1 - at));
		at = last + 1;
	}
	if (end - at == LOG_RECORD_MAX_DATA) {
		emit(capture, log, LOG_CONT, at, LOG_RECORD_MAX_DATA);
		at = end;
	}
	capture->len = (size_t)(end - at);
	memmove(capture->buf, at, capture->len);
	capture->idle_at_ms = capture->len > 0 ? clock_mono_ms() + CAPTURE_IDLE_MS : 0;
	return true;
}

void capture_idle(struct capture *capture, struct log_writer *log, int64_t now_ms)
{
	if (capture->idle_at_ms == 0 || now_ms < capture->idle_at_ms)
		return;
	emit(capture, log, LOG_CONT, capture->buf, capture->len);
	capture->len = 0;
	capture->idle_at_ms = 0;
}

void capture_finish(struct capture *capture, struct log_writer *log)
{
	int64_t left = fcntl(capture->fd, F_GETPIPE_SZ);

	/* At most a pipe full: someone outside the tree may hold it and write for ever. */
	if (left < 0 && capture->fd >= 0)
		left = TERMINAL_HOLDS;
	while (left > 0) {
		uint64_t before = log->pos + capture->len;

		if (!capture_read(capture, log))
			break;
		left -= (int64_t)(log->pos + capture->len - before);
	}
	if (capture->len > 0 || capture->is_continued)
		emit(capture, log, LOG_PARTIAL, capture->buf, capture->len);
	capture->len = 0;
	capture->idle_at_ms = 0;
}
