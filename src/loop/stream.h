/*
 * stream - a buffered, non-blocking byte stream on one descriptor.
 *
 * Reading: bytes gather in stream_input(); the owner takes what it used with
 * strbuf_consume() in its on_read callback.  When the input holds `read_high`
 * bytes, reading pauses until the owner consumes and calls stream_resume().
 * Writing: stream_write() queues and sends when it can; on_drain comes when the
 * queue falls below `write_low` after it had been above `write_high`.
 *
 * Owns: the descriptor.  stream_free() closes it at once, queued bytes are
 * lost; stream_close_after_flush() frees it once they are sent.  Every callback
 * may free the stream.
 */
#pragma once

#include "base/strbuf.h"
#include "loop/loop.h"

struct stream;

struct stream_events {
	void (*on_read)(struct stream *stream, void *data);
	/* No more bytes will come; error is 0 for a clean end, else an errno.  Writing may go on.
	 */
	void (*on_eof)(struct stream *stream, int error, void *data);
	/* The queue fell below write_low; may be NULL. */
	void (*on_drain)(struct stream *stream, void *data);
	/* Writing failed (peer gone): error is an errno.  NULL: treated as on_eof. */
	void (*on_write_error)(struct stream *stream, int error, void *data);
};

#define STREAM_READ_HIGH  (64 * 1024)
#define STREAM_WRITE_HIGH (256 * 1024)
#define STREAM_WRITE_LOW  (64 * 1024)

/* Makes fd non-blocking and takes it, on failure too. */
struct stream *stream_new(struct loop *loop, int fd, const struct stream_events *events, void *data,
                          struct error *err);
void stream_free(struct stream *stream);
DEFINE_FREEP(stream)

struct strbuf *stream_input(struct stream *stream);
bool stream_is_eof(const struct stream *stream);

void stream_write(struct stream *stream, const void *data, size_t len);
size_t stream_queued(const struct stream *stream);
/* True when a writer that cares should wait for on_drain. */
bool stream_is_congested(const struct stream *stream);

void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* Half-close: shutdown(SHUT_WR) once the queue is sent. */
void stream_shutdown_write(struct stream *stream);
void stream_close_after_flush(struct stream *stream);

int stream_fd(const struct stream *stream);
/* Replaces callbacks and data (a tunnel takes over an HTTP connection). */
void stream_set_events(struct stream *stream, const struct stream_events *events, void *data);
