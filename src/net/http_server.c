#include "net/http_server.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/stream.h"
#include "net/acceptor.h"
#include "net/http1.h"
#include "net/listen.h"

#define DEFAULT_MAX_BODY           (1024 * 1024)
#define DEFAULT_MAX_CONNECTIONS    256
#define DEFAULT_REQUEST_TIMEOUT_MS 30000
#define STALL_MS                   30000
#define LINGER_MS                  2000

enum exchange_state {
	EXCHANGE_READING,   /* a request, or nothing yet */
	EXCHANGE_ASKED,     /* the handler has it */
	EXCHANGE_STREAMING, /* the handler sends its answer piece by piece */
	EXCHANGE_LINGERING, /* answered; what the client still sends is thrown away */
	EXCHANGE_DEAD,
};

/* A connection, and the one exchange it has at a time. */
struct http_exchange {
	struct http_server *server; /* NULL when it was freed while we are busy */
	struct http_exchange *next, **link;
	struct stream *stream;
	struct http1_parser *parser;
	struct loop_source *timer;
	enum exchange_state state;
	bool is_busy; /* pump() is on the stack and frees it if it dies */
	bool is_last, is_head, is_http10;
	bool is_chunked;      /* the stream under way */
	uint64_t missing;     /* of a stream that is not chunked */
	size_t linger_queued; /* when it was looked at last */
	struct strbuf body;
	struct http_head answer; /* fields for it */
	const struct http_exchange_events *events;
	void *data;
	uid_t peer_uid;
	pid_t peer_pid;
};

struct http_server {
	struct loop *loop;
	struct acceptor *acceptor;
	struct http_server_config config;
	struct http_exchange *exchanges;
	size_t connections;
};

static void pump(struct http_exchange *x);

/* --- life of a connection --- */

static void unlink_exchange(struct http_exchange *x)
{
	struct http_server *server = x->server;

	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	server->connections--;
	if (server->acceptor) {
		acceptor_pause(server->acceptor, false);
		acceptor_look_again(server->acceptor);
	}
	x->server = NULL;
}

static void exchange_free(struct http_exchange *x)
{
	if (x->server)
		unlink_exchange(x);
	if (x->is_busy) {
		x->state = EXCHANGE_DEAD;
		return;
	}
	stream_free(x->stream);
	http1_parser_free(x->parser);
	loop_source_free(x->timer);
	strbuf_release(&x->body);
	http_head_release(&x->answer);
	free(x);
}

/* The client (or the whole server) is gone. */
static void drop(struct http_exchange *x)
{
	const struct http_exchange_events *events = x->events;
	bool is_pending = x->state == EXCHANGE_ASKED || x->state == EXCHANGE_STREAMING;

	x->state = EXCHANGE_DEAD;
	x->events = NULL;
	if (is_pending && events && events->on_close)
		events->on_close(x, x->data);
	exchange_free(x);
}

/* A client that reads the last answer slowly has its time as long as it goes on. */
static void wait_for_end(struct http_exchange *x)
{
	x->linger_queued = stream_queued(x->stream);
	loop_timer_set(x->timer, x->linger_queued > 0 ? STALL_MS : LINGER_MS);
}

/*
 * Ends the connection.  Closing with unread bytes would reset it and could take the
 * answer along, so it only stops writing until the client has seen that.
 */
static void linger(struct http_exchange *x)
{
	x->state = EXCHANGE_LINGERING;
	stream_shutdown_write(x->stream);
	strbuf_reset(stream_input(x->stream));
	stream_resume(x->stream);
	wait_for_end(x);
}

static void send_error(struct http_exchange *x, int status)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	/* A text that a person can read: what made it is not a client of the API. */
	strbuf_addf(&text, "%d %s\n", status, http_status_text(status));
	x->state = EXCHANGE_ASKED;
	x->events = NULL;
	x->is_last = true;
	http_respond(x, status, "text/plain", text.buf, text.len);
}

static void on_timeout(struct loop_source *source, void *data)
{
	struct http_exchange *x = data;

	if (x->state == EXCHANGE_READING && http1_is_inside(x->parser))
		send_error(x, 408);
	else if (x->state == EXCHANGE_LINGERING && stream_queued(x->stream) != x->linger_queued)
		wait_for_end(x);
	else
		drop(x);
}

/* --- requests --- */

static bool is_over_max(const struct http_exchange *x, uint64_t len)
{
	return len > x->server->config.max_body;
}

static void head_arrived(struct http_exchange *x)
{
	const struct http_message *message = http1_message(x->parser);
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	x->is_last = message->is_last;
	x->is_head = str_eq(message->head.method, "HEAD");
	x->is_http10 = message->head.version == 10;
	if (message->body == HTTP_BODY_LENGTH && is_over_max(x, message->content_length))
		send_error(x, 413);
	else if (message->body != HTTP_BODY_NONE &&
	         http_head_has_token(&message->head, HTTP_EXPECT, "100-continue"))
		stream_write(x->stream, go_on, sizeof(go_on) - 1);
}

static void body_arrived(struct http_exchange *x)
{
	size_t len;
	const char *body = http1_body(x->parser, &len);

	if (is_over_max(x, (uint64_t)x->body.len + len))
		send_error(x, 413);
	else
		strbuf_add(&x->body, body, len);
}

static void request_arrived(struct http_exchange *x)
{
	const struct http_server_config *config = &x->server->config;
	struct http_request request = {
		.head = &http1_message(x->parser)->head,
		.body = x->body.buf,
		.body_len = x->body.len,
		.peer_uid = x->peer_uid,
		.peer_pid = x->peer_pid,
	};

	x->state = EXCHANGE_ASKED;
	loop_timer_set(x->timer, -1);
	config->on_request(x, &request, config->data);
}

/* Uses what has arrived while it is requests' turn; at its end x may be freed. */
static void pump(struct http_exchange *x)
{
	struct strbuf *input = stream_input(x->stream);
	size_t used = 0;

	if (x->is_busy)
		return;
	x->is_busy = true;
	while (x->state == EXCHANGE_READING) {
		cleanup(error_release) struct error err = ERROR_INIT;
		enum http1_what what;
		ssize_t n =
			http1_next(x->parser, input->buf + used, input->len - used, &what, &err);

		if (n < 0) {
			send_error(x, http1_error_status(x->parser));
			break;
		}
		used += (size_t)n;
		if (what == HTTP1_HEAD)
			head_arrived(x);
		else if (what == HTTP1_BODY)
			body_arrived(x);
		else if (what == HTTP1_END)
			request_arrived(x);
		else
			break;
	}
	x->is_busy = false;
	if (x->state == EXCHANGE_DEAD) {
		exchange_free(x);
		return;
	}
	strbuf_consume(input, used);
	/* Lingering: nobody will read it. */
	if (x->state == EXCHANGE_LINGERING)
		strbuf_reset(input);
	stream_resume(x->stream);
}

static void on_read(struct stream *stream, void *data)
{
	struct http_exchange *x = data;

	if (x->state == EXCHANGE_LINGERING) {
		strbuf_reset(stream_input(stream));
		stream_resume(stream);
		return;
	}
	pump(x);
}

static void on_eof(struct stream *stream, int error, void *data)
{
	drop(data);
}

static void on_drain(struct stream *stream, void *data)
{
	struct http_exchange *x = data;

	if (x->state == EXCHANGE_STREAMING && x->events && x->events->on_drain)
		x->events->on_drain(x, x->data);
}

static const struct stream_events stream_events = {
	.on_read = on_read,
	.on_eof = on_eof,
	.on_drain = on_drain,
};

/* --- answers --- */

/* Ready for another request, or for the end. */
static void end_exchange(struct http_exchange *x)
{
	x->events = NULL;
	strbuf_release(&x->body);
	http_head_reset(&x->answer);
	if (x->is_last) {
		linger(x);
		return;
	}
	x->state = EXCHANGE_READING;
	loop_timer_set(x->timer, x->server->config.request_timeout_ms);
	/* Inside pump() this does nothing, and it goes on by itself. */
	pump(x);
}

void http_exchange_watch(struct http_exchange *x, const struct http_exchange_events *events,
                         void *data)
{
	x->events = events;
	x->data = data;
}

void http_exchange_add_field(struct http_exchange *x, const char *name, const char *value)
{
	http_head_add(&x->answer, name, value);
}

void http_respond(struct http_exchange *x, int status, const char *content_type, const void *body,
                  size_t len)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	http_head_set_status(&x->answer, status);
	if (content_type)
		http_head_add(&x->answer, "Content-Type", content_type);
	if (status != 204 && status != 304)
		http_head_addf(&x->answer, "Content-Length", "%zu", len);
	http1_write_head(&out, &x->answer, false, x->is_last ? "close" : NULL);
	if (!x->is_head)
		strbuf_add(&out, body, len);
	stream_write(x->stream, out.buf, out.len);
	end_exchange(x);
}

static void begin_stream(struct http_exchange *x, int status, const char *content_type)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	x->state = EXCHANGE_STREAMING;
	http_head_set_status(&x->answer, status);
	http_head_add(&x->answer, "Content-Type", content_type);
	http1_write_head(&out, &x->answer, x->is_chunked, x->is_last ? "close" : NULL);
	stream_write(x->stream, out.buf, out.len);
}

void http_stream_begin(struct http_exchange *x, int status, const char *content_type)
{
	x->is_chunked = !x->is_http10;
	x->missing = 0;
	x->is_last |= x->is_http10;
	begin_stream(x, status, content_type);
}

void http_stream_begin_length(struct http_exchange *x, int status, const char *content_type,
                              uint64_t length)
{
	x->is_chunked = false;
	x->missing = length;
	http_head_addf(&x->answer, "Content-Length", "%llu", (unsigned long long)length);
	begin_stream(x, status, content_type);
}

bool http_stream_write(struct http_exchange *x, const void *data, size_t len)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (len == 0 || x->is_head)
		return true;
	if (!x->is_chunked) {
		x->missing -= len < x->missing ? len : x->missing;
		stream_write(x->stream, data, len);
	} else {
		http1_write_chunk(&out, data, len);
		stream_write(x->stream, out.buf, out.len);
	}
	return !stream_is_congested(x->stream);
}

void http_stream_end(struct http_exchange *x)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (x->is_chunked && !x->is_head) {
		http1_write_last_chunk(&out, NULL);
		stream_write(x->stream, out.buf, out.len);
	}
	/* The client can tell from the early end only. */
	x->is_last |= x->missing > 0 && !x->is_head;
	end_exchange(x);
}

/* --- the server --- */

static void on_accept(int fd, void *data)
{
	struct http_server *server = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct http_exchange *x = xcalloc(1, sizeof(*x));

	x->stream = stream_new(server->loop, fd, &stream_events, x, &err);
	if (!x->stream) {
		/* Out of memory for epoll: the client sees a closed connection and may retry. */
		free(x);
		return;
	}
	x->server = server;
	x->body.buf = x->answer.text.buf = strbuf_empty;
	x->parser = http1_parser_new(HTTP1_REQUESTS);
	x->peer_uid = (uid_t)-1;
	listen_unix_peer(fd, &x->peer_uid, &x->peer_pid);
	x->timer = loop_add_timer(server->loop, server->config.request_timeout_ms, on_timeout, x);
	x->next = server->exchanges;
	x->link = &server->exchanges;
	if (x->next)
		x->next->link = &x->next;
	server->exchanges = x;
	if (++server->connections >= server->config.max_connections)
		acceptor_pause(server->acceptor, true);
}

struct http_server *http_server_new(struct loop *loop, int listen_fd,
                                    const struct http_server_config *config, struct error *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));

	server->loop = loop;
	server->config = *config;
	if (!server->config.max_body)
		server->config.max_body = DEFAULT_MAX_BODY;
	if (!server->config.max_connections)
		server->config.max_connections = DEFAULT_MAX_CONNECTIONS;
	if (!server->config.request_timeout_ms)
		server->config.request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
	server->acceptor = acceptor_new(loop, listen_fd, on_accept, server, err);
	if (!server->acceptor) {
		free(server);
		return NULL;
	}
	return server;
}

void http_server_stop_accepting(struct http_server *server)
{
	acceptor_free(take_ptr(server->acceptor));
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	http_server_stop_accepting(server);
	while (server->exchanges)
		drop(server->exchanges);
	free(server);
}

size_t http_server_exchanges(const struct http_server *server)
{
	size_t count = 0;

	for (const struct http_exchange *x = server->exchanges; x; x = x->next)
		count += x->state == EXCHANGE_ASKED || x->state == EXCHANGE_STREAMING;
	return count;
}
