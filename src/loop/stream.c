#include "loop/stream.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct stream {
	struct loop *loop;
	struct loop_source *source;
	int fd;
	const struct stream_events *events;
	void *data;
	struct strbuf in, out;
	size_t out_sent; /* bytes of `out` already written */
	bool is_paused, is_eof, was_congested, shutdown_wanted, is_shut, is_closing;
	bool *freed; /* set when the stream is freed inside one of its callbacks */
};

static void on_ready(struct loop_source *source, int fd, uint32_t events, void *data);

static void update_interest(struct stream *stream)
{
	uint32_t events = 0;

	if (!stream->is_paused && !stream->is_eof && stream->in.len < STREAM_READ_HIGH)
		events |= LOOP_READ;
	if (stream_queued(stream) > 0)
		events |= LOOP_WRITE;
	loop_fd_set_events(stream->source, events);
}

struct stream *stream_new(struct loop *loop, int fd, const struct stream_events *events, void *data,
                          struct error *err)
{
	struct stream *stream;
	struct loop_source *source;

	if (fd_set_nonblock(fd, true, err) < 0) {
		close(fd);
		return NULL;
	}
	stream = xcalloc(1, sizeof(*stream));
	stream->in.buf = stream->out.buf = strbuf_empty;
	if (loop_add_fd(loop, fd, LOOP_READ, on_ready, stream, &source, err) < 0) {
		close(fd);
		free(stream);
		return NULL;
	}
	stream->loop = loop;
	stream->source = source;
	stream->fd = fd;
	stream->events = events;
	stream->data = data;
	return stream;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->freed)
		*stream->freed = true;
	loop_source_free(stream->source);
	close(stream->fd);
	strbuf_release(&stream->in);
	strbuf_release(&stream->out);
	free(stream);
}

struct strbuf *stream_input(struct stream *stream)
{
	return &stream->in;
}

bool stream_is_eof(const struct stream *stream)
{
	return stream->is_eof;
}

size_t stream_queued(const struct stream *stream)
{
	return stream->out.len - stream->out_sent;
}

bool stream_is_congested(const struct stream *stream)
{
	return stream_queued(stream) >= STREAM_WRITE_HIGH;
}

int stream_fd(const struct stream *stream)
{
	return stream->fd;
}

void stream_set_events(struct stream *stream, const struct stream_events *events, void *data)
{
	stream->events = events;
	stream->data = data;
}

void stream_pause(struct stream *stream)
{
	stream->is_paused = true;
	update_interest(stream);
}

void stream_resume(struct stream *stream)
{
	stream->is_paused = false;
	update_interest(stream);
}

static ssize_t send_some(int fd, const char *data, size_t len)
{
	ssize_t n;

	do {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK)
			n = write(fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Sends what the kernel takes; returns 0, or an errno that ends the stream. */
static int flush(struct stream *stream)
{
	while (stream_queued(stream) > 0) {
		ssize_t n = send_some(stream->fd, stream->out.buf + stream->out_sent,
		                      stream_queued(stream));

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			return errno;
		stream->out_sent += (size_t)n;
	}
	/* Moving the rest to the front only now and then keeps big queues linear. */
	if (stream->out_sent == stream->out.len || stream->out_sent > STREAM_WRITE_HIGH) {
		strbuf_consume(&stream->out, stream->out_sent);
		stream->out_sent = 0;
	}
	if (stream_queued(stream) == 0 && stream->shutdown_wanted && !stream->is_shut) {
		stream->is_shut = true;
		shutdown(stream->fd, SHUT_WR);
	}
	return 0;
}

void stream_write(struct stream *stream, const void *data, size_t len)
{
	const char *at = data;

	/* The common case: nothing waits and the kernel takes it all. */
	if (stream_queued(stream) == 0 && len > 0) {
		ssize_t n = send_some(stream->fd, at, len);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	/* An error shows again at the next flush, where the owner can be told. */
	strbuf_add(&stream->out, at, len);
	stream->was_congested |= stream_is_congested(stream);
	update_interest(stream);
}

void stream_shutdown_write(struct stream *stream)
{
	stream->shutdown_wanted = true;
	if (stream_queued(stream) == 0)
		flush(stream);
}

void stream_close_after_flush(struct stream *stream)
{
	if (stream_queued(stream) == 0) {
		stream_free(stream);
		return;
	}
	stream->is_closing = true;
	stream_pause(stream);
}

static void tell_eof(struct stream *stream, int error)
{
	stream->is_eof = true;
	update_interest(stream);
	stream->events->on_eof(stream, error, stream->data);
}

/* False when the stream is gone. */
static bool write_ready(struct stream *stream)
{
	int error = flush(stream);

	if (error && stream->is_closing) {
		stream_free(stream);
		return false;
	}
	if (error) {
		bool freed = false;

		strbuf_reset(&stream->out);
		stream->out_sent = 0;
		update_interest(stream);
		stream->freed = &freed;
		if (stream->events->on_write_error)
			stream->events->on_write_error(stream, error, stream->data);
		else
			tell_eof(stream, error);
		if (!freed)
			stream->freed = NULL;
		return !freed;
	}
	if (stream_queued(stream) == 0 && stream->is_closing) {
		stream_free(stream);
		return false;
	}
	update_interest(stream);
	if (stream->was_congested && stream_queued(stream) < STREAM_WRITE_LOW) {
		bool freed = false;

		stream->was_congested = false;
		stream->freed = &freed;
		if (stream->events->on_drain)
			stream->events->on_drain(stream, stream->data);
		if (!freed)
			stream->freed = NULL;
		return !freed;
	}
	return true;
}

static void read_ready(struct stream *stream)
{
	size_t room = STREAM_READ_HIGH - stream->in.len;
	ssize_t n;

	strbuf_grow(&stream->in, room);
	do
		n = read(stream->fd, stream->in.buf + stream->in.len, room);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		tell_eof(stream, n < 0 ? errno : 0);
		return;
	}
	stream->in.len += (size_t)n;
	stream->in.buf[stream->in.len] = '\0';
	update_interest(stream);
	stream->events->on_read(stream, stream->data);
}

static void on_ready(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct stream *stream = data;
	bool can_read = !stream->is_paused && !stream->is_eof && stream->in.len < STREAM_READ_HIGH;

	if ((events & (EPOLLOUT | EPOLLERR)) && stream_queued(stream) > 0 && !write_ready(stream))
		return;
	/* While paused a hang-up waits too: bytes may still be in the kernel's buffer. */
	if (can_read && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_ready(stream);
}
