#include "proxy/upstream.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define CONNECT_MS    30000
#define IDLE_MS       60000
#define MAX_IDLE      256
#define MAX_IDLE_PORT 64

struct upstream {
	struct upstream_pool *pool;
	struct upstream *next, **link; /* in the idle list; link is NULL when in use */
	int port;
	int sock; /* while connecting */
	bool is_ipv6, is_reused;
	struct loop_source *connecting, *timer;
	struct stream *stream;
	struct http1_parser *parser;
	int64_t idle_since_ms;
	void *data;
};

struct upstream_pool {
	struct loop *loop;
	const struct upstream_events *events;
	struct upstream *idle; /* the newest first */
	size_t count;
	struct loop_source *sweep; /* armed while some are idle */
};

/* --- the pool --- */

static void leave_pool(struct upstream *upstream)
{
	if (!upstream->link)
		return;
	*upstream->link = upstream->next;
	if (upstream->next)
		upstream->next->link = upstream->link;
	upstream->link = NULL;
	upstream->pool->count--;
}

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	leave_pool(upstream);
	loop_source_free(upstream->connecting);
	loop_source_free(upstream->timer);
	close_fd(&upstream->sock);
	stream_free(upstream->stream);
	http1_parser_free(upstream->parser);
	free(upstream);
}

static void on_sweep(struct loop_source *source, void *data)
{
	struct upstream_pool *pool = data;
	int64_t oldest = clock_mono_ms() - IDLE_MS;

	for (struct upstream *u = pool->idle, *next; u; u = next) {
		next = u->next;
		if (u->idle_since_ms <= oldest)
			upstream_free(u);
	}
	if (pool->idle)
		loop_timer_set(source, IDLE_MS / 4);
}

struct upstream_pool *upstream_pool_new(struct loop *loop, const struct upstream_events *events)
{
	struct upstream_pool *pool = xcalloc(1, sizeof(*pool));

	pool->loop = loop;
	pool->events = events;
	pool->sweep = loop_add_timer(loop, -1, on_sweep, pool);
	return pool;
}

void upstream_pool_free(struct upstream_pool *pool)
{
	while (pool->idle)
		upstream_free(pool->idle);
	loop_source_free(pool->sweep);
	free(pool);
}

size_t upstream_pool_idle(const struct upstream_pool *pool)
{
	return pool->count;
}

void upstream_pool_keep(struct upstream_pool *pool, bool (*is_wanted)(int port, void *data),
                        void *data)
{
	for (struct upstream *u = pool->idle, *next; u; u = next) {
		next = u->next;
		if (!is_wanted(u->port, data))
			upstream_free(u);
	}
}

struct upstream *upstream_reuse(struct upstream_pool *pool, int port, void *data)
{
	for (struct upstream *u = pool->idle; u; u = u->next) {
		if (u->port != port)
			continue;
		leave_pool(u);
		u->is_reused = true;
		u->data = data;
		return u;
	}
	return NULL;
}

static size_t idle_on_port(const struct upstream_pool *pool, int port)
{
	size_t count = 0;

	for (const struct upstream *u = pool->idle; u; u = u->next)
		count += u->port == port;
	return count;
}

void upstream_give_back(struct upstream *upstream)
{
	struct upstream_pool *pool = upstream->pool;

	if (pool->count >= MAX_IDLE || idle_on_port(pool, upstream->port) >= MAX_IDLE_PORT ||
	    stream_queued(upstream->stream) > 0) {
		upstream_free(upstream);
		return;
	}
	if (!pool->idle)
		loop_timer_set(pool->sweep, IDLE_MS / 4);
	upstream->idle_since_ms = clock_mono_ms();
	upstream->data = NULL;
	upstream->next = pool->idle;
	upstream->link = &pool->idle;
	if (upstream->next)
		upstream->next->link = &upstream->next;
	pool->idle = upstream;
	pool->count++;
	stream_resume(upstream->stream);
}

/* --- what the stream says --- */

static void on_read(struct stream *stream, void *data)
{
	struct upstream *upstream = data;

	if (upstream->link)
		upstream_free(upstream);
	else
		upstream->pool->events->on_read(upstream, upstream->data);
}

static void on_eof(struct stream *stream, int error, void *data)
{
	struct upstream *upstream = data;

	if (upstream->link)
		upstream_free(upstream);
	else
		upstream->pool->events->on_eof(upstream, error, upstream->data);
}

static void on_drain(struct stream *stream, void *data)
{
	struct upstream *upstream = data;

	upstream->pool->events->on_drain(upstream, upstream->data);
}

static void on_write_error(struct stream *stream, int error, void *data)
{
	struct upstream *upstream = data;

	upstream->pool->events->on_write_error(upstream, error, upstream->data);
}

static const struct stream_events stream_events = {
	.on_read = on_read,
	.on_eof = on_eof,
	.on_drain = on_drain,
	.on_write_error = on_write_error,
};

/* --- connecting --- */

static void on_connecting(struct loop_source *source, int fd, uint32_t events, void *data);

/* 0, or an errno. */
static int start_connect(struct upstream *upstream)
{
	struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)upstream->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)upstream->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	const struct sockaddr *addr =
		upstream->is_ipv6 ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4;
	socklen_t len = upstream->is_ipv6 ? sizeof(ipv6) : sizeof(ipv4);
	cleanup(error_release) struct error err = ERROR_INIT;
	int on = 1;

	upstream->sock = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (upstream->sock < 0)
		return errno;
	/* Heads and chunks are written whole: waiting to fill a packet only adds delay. */
	setsockopt(upstream->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(upstream->sock, addr, len) < 0 && errno != EINPROGRESS)
		return errno;
	if (loop_add_fd(upstream->pool->loop, upstream->sock, LOOP_WRITE, on_connecting, upstream,
	                &upstream->connecting, &err) < 0)
		return err.code;
	return 0;
}

static void stop_connect(struct upstream *upstream)
{
	loop_source_free(take_ptr(upstream->connecting));
	close_fd(&upstream->sock);
	upstream->sock = -1;
}

static void fail(struct upstream *upstream, int error)
{
	struct upstream_pool *pool = upstream->pool;
	void *data = upstream->data;

	upstream_free(upstream);
	pool->events->on_connected(NULL, error, data);
}

static void connected(struct upstream *upstream)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int sock = take_fd(upstream->sock);

	loop_source_free(take_ptr(upstream->connecting));
	loop_source_free(take_ptr(upstream->timer));
	upstream->stream = stream_new(upstream->pool->loop, sock, &stream_events, upstream, &err);
	if (!upstream->stream) {
		fail(upstream, err.code);
		return;
	}
	upstream->pool->events->on_connected(upstream, 0, upstream->data);
}

static void on_connecting(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct upstream *upstream = data;
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		connected(upstream);
		return;
	}
	stop_connect(upstream);
	if (!upstream->is_ipv6) {
		upstream->is_ipv6 = true;
		/* Without IPv6 the first answer is the better one. */
		if (start_connect(upstream) == 0)
			return;
	}
	fail(upstream, error);
}

static void on_connect_timeout(struct loop_source *source, void *data)
{
	fail(data, ETIMEDOUT);
}

struct upstream *upstream_connect(struct upstream_pool *pool, int port, void *data,
                                  struct error *err)
{
	struct upstream *upstream = xcalloc(1, sizeof(*upstream));
	int error;

	upstream->pool = pool;
	upstream->port = port;
	upstream->sock = -1;
	upstream->data = data;
	upstream->parser = http1_parser_new(HTTP1_RESPONSES);
	error = start_connect(upstream);
	if (error) {
		upstream_free(upstream);
		error_errno(err, error, "connect to port %d", port);
		return NULL;
	}
	upstream->timer = loop_add_timer(pool->loop, CONNECT_MS, on_connect_timeout, upstream);
	return upstream;
}

struct stream *upstream_stream(struct upstream *upstream)
{
	return upstream->stream;
}

struct stream *upstream_take_stream(struct upstream *upstream)
{
	return take_ptr(upstream->stream);
}

struct http1_parser *upstream_parser(struct upstream *upstream)
{
	return upstream->parser;
}

bool upstream_is_reused(const struct upstream *upstream)
{
	return upstream->is_reused;
}
