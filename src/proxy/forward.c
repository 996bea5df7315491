#include "proxy/forward.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "proxy/client.h"
#include "proxy/hop.h"

#include <errno.h>
#include <string.h>

#define WAIT_MS      30000
#define WRITE_DIRECT 16384 /* a body piece that is not copied together with others */

static void find_route(struct client *client);

/* --- pages --- */

static struct page new_page(const struct client *client)
{
	return (struct page){.is_html = client->wants_html, .body = STRBUF_INIT};
}

static void send_unavailable(struct client *client, const struct route *route, const char *why)
{
	struct page page = new_page(client);

	page_unavailable(&page, route, why);
	client_send_page(client, &page);
}

static void send_unknown_host(struct client *client)
{
	struct page page = new_page(client);

	/* Another name is the trick of a web page (DNS rebinding): it learns nothing here. */
	if (host_is_localhost(client->host))
		page_unknown_host(&page, &client->proxy->routes, client->host, client->port);
	else
		page_plain(&page, 421, "This name is not served here.");
	client_send_page(client, &page);
}

/* The service was asked and gave no answer that can be sent on. */
static void fail(struct client *client, const char *why)
{
	const struct route *route = routes_find(&client->proxy->routes, client->host);

	if (client->response_started)
		client_drop(client); /* the client must see that the answer is cut */
	else if (!route)
		send_unknown_host(client);
	else if (client->state == CLIENT_CONNECTING && route_state(route) == ROUTE_COMING)
		find_route(client); /* it has just gone down to come up again */
	else
		send_unavailable(client, route, why);
}

/* --- the request --- */

/* Adds a piece of a body; big ones that need no framing are written at once. */
static void emit(struct strbuf *out, struct stream *stream, bool is_chunked, const void *data,
                 size_t len)
{
	if (is_chunked) {
		http1_write_chunk(out, data, len);
		return;
	}
	if (len < WRITE_DIRECT) {
		strbuf_add(out, data, len);
		return;
	}
	if (out->len > 0)
		stream_write(stream, out->buf, out->len);
	strbuf_reset(out);
	stream_write(stream, data, len);
}

static void send_request(struct client *client)
{
	const struct http_message *message = http1_message(client->parser);

	client->state = CLIENT_FORWARDING;
	http1_response_to_head(upstream_parser(client->upstream), client->is_head);
	http1_write_head(&client->proxy->to_upstream, &message->head,
	                 message->body == HTTP_BODY_CHUNKED, client->connection);
	client_pump(client); /* its body, and writes all of it */
}

static void connect_to(struct client *client, int port)
{
	struct upstream_pool *pool = client->proxy->pool;
	cleanup(error_release) struct error err = ERROR_INIT;

	client_set_deadline(client, -1);
	client->upstream = client->is_retryable ? upstream_reuse(pool, port, client) : NULL;
	if (client->upstream) {
		send_request(client);
		return;
	}
	client->state = CLIENT_CONNECTING;
	client->upstream = upstream_connect(pool, port, client, &err);
	if (!client->upstream)
		fail(client, err.text);
}

static void find_route(struct client *client)
{
	const struct route *route = routes_find(&client->proxy->routes, client->host);

	if (!route) {
		send_unknown_host(client);
		return;
	}
	switch (route_state(route)) {
	case ROUTE_UP:
		connect_to(client, route_port(route, client->turn, client->tries));
		break;
	case ROUTE_COMING:
		if (client->state != CLIENT_WAITING)
			client_set_deadline(client, WAIT_MS);
		client->state = CLIENT_WAITING;
		break;
	case ROUTE_DOWN:
		send_unavailable(client, route, NULL);
		break;
	}
}

void forward_look_again(struct client *client)
{
	client_enter(client);
	find_route(client);
	client_leave(client);
}

void forward_waited_too_long(struct client *client)
{
	fail(client, "It was not ready within 30 seconds.");
}

void forward_request(struct client *client)
{
	struct http_message *message = http1_message(client->parser);
	const char *host = http_head_find(&message->head, HTTP_HOST);
	struct hop hop = {.client = client->address, .scheme = "http", .port = client->port_text};

	client->is_head = str_eq(message->head.method, "HEAD");
	client->is_http10 = message->head.version == 10;
	client->is_last = message->is_last || client->is_http10 || client->proxy->is_draining;
	client->wants_html = page_wants_html(&message->head);
	if (str_eq(message->head.method, "TRACE")) {
		client_send_text(client, 405, "TRACE is not served.");
		return;
	}
	if (!host || !host_normalise(host, client->host)) {
		client->is_last = true;
		client_send_text(client, 400, "The request has no usable Host.");
		return;
	}
	if (hop_count(&message->head) >= HOP_MAX) {
		client_send_text(client, 508,
		                 "The request came back to this proxy again and again.");
		return;
	}
	client->wants_upgrade = hop_wants_upgrade(message);
	client->is_retryable = message->body == HTTP_BODY_NONE && hop_is_idempotent(&message->head);
	client->turn = client->proxy->turns++;
	client->tries = 0;
	client->connection = hop_request(&message->head, &hop, client->wants_upgrade);
	find_route(client);
}

bool forward_is_blocked(const struct client *client)
{
	return !client->request_broken && stream_is_congested(upstream_stream(client->upstream));
}

void forward_body(struct client *client, const void *data, size_t len)
{
	bool is_chunked = http1_message(client->parser)->body == HTTP_BODY_CHUNKED;

	if (!client->request_broken)
		emit(&client->proxy->to_upstream, upstream_stream(client->upstream), is_chunked,
		     data, len);
}

void forward_end(struct client *client)
{
	struct http_message *message = http1_message(client->parser);

	if (client->request_broken || message->body != HTTP_BODY_CHUNKED)
		return;
	hop_trailers(&message->trailers);
	http1_write_last_chunk(&client->proxy->to_upstream, &message->trailers);
}

void forward_flush(struct client *client)
{
	struct strbuf *out = &client->proxy->to_upstream;

	if (client->state == CLIENT_FORWARDING && out->len > 0)
		stream_write(upstream_stream(client->upstream), out->buf, out->len);
	strbuf_reset(out);
}

void forward_cancel(struct client *client)
{
	upstream_free(take_ptr(client->upstream));
}

/* --- the answer --- */

static void flush_to_client(struct client *client)
{
	struct strbuf *out = &client->proxy->to_client;

	if (client->state == CLIENT_FORWARDING && out->len > 0)
		stream_write(client->stream, out->buf, out->len);
	strbuf_reset(out);
}

static void bad_answer(struct client *client, const char *problem)
{
	cleanup_free char *why = xasprintf("Its answer is not HTTP as it should be: %s.", problem);

	strbuf_reset(&client->proxy->to_client);
	fail(client, why);
}

/* False when the answer cannot be. */
static bool interim_arrived(struct client *client, struct http_head *head)
{
	client->is_retryable = false;
	if (head->status == 101 && !client->wants_upgrade) {
		bad_answer(client, "it switches protocols unasked");
		return false;
	}
	if (client->is_http10)
		return true;
	hop_response(head);
	http1_write_head(&client->proxy->to_client, head, false,
	                 head->status == 101 ? "upgrade" : NULL);
	return true;
}

static bool response_arrived(struct client *client)
{
	struct http_message *message = http1_message(upstream_parser(client->upstream));

	if (message->head.status < 200)
		return interim_arrived(client, &message->head);
	client->response_started = true;
	client->upstream_is_last = message->is_last;
	client->response_chunked = !client->is_http10 && (message->body == HTTP_BODY_CHUNKED ||
	                                                  message->body == HTTP_BODY_UNTIL_CLOSE);
	hop_response(&message->head);
	http1_write_head(&client->proxy->to_client, &message->head, client->response_chunked,
	                 client->is_last ? "close" : NULL);
	return true;
}

static void response_body_arrived(struct client *client)
{
	size_t len;
	const char *body = http1_body(upstream_parser(client->upstream), &len);

	emit(&client->proxy->to_client, client->stream, client->response_chunked, body, len);
}

static void start_tunnel(struct client *client)
{
	struct stream *service = upstream_take_stream(client->upstream);
	struct stream *stream = take_ptr(client->stream);
	struct proxy *proxy = client->proxy;

	proxy->requests++;
	client_drop(client);
	tunnel_start(&proxy->tunnels, stream, service);
}

/* Gives the service's connection back, or ends it, and turns to the next request. */
static void answer_complete(struct client *client)
{
	struct upstream *upstream = take_ptr(client->upstream);
	struct http_message *message = http1_message(upstream_parser(upstream));

	if (client->response_chunked) {
		hop_trailers(&message->trailers);
		http1_write_last_chunk(&client->proxy->to_client, &message->trailers);
	}
	flush_to_client(client);
	if (client->upstream_is_last || client->request_broken || !client->request_done ||
	    stream_input(upstream_stream(upstream))->len > 0)
		upstream_free(upstream);
	else
		upstream_give_back(upstream);
	client_answered(client);
}

/* False when this answer, or the client, is done with. */
static bool message_ended(struct client *client)
{
	int status = http1_message(upstream_parser(client->upstream))->head.status;

	if (status == 101) {
		flush_to_client(client);
		start_tunnel(client);
		return false;
	}
	if (status < 200)
		return true;
	answer_complete(client);
	return false;
}

/* Whether the service's input can be used further. */
static bool pump_one(struct client *client, struct strbuf *input, size_t *used)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	enum http1_what what;
	ssize_t n = http1_next(upstream_parser(client->upstream), input->buf + *used,
	                       input->len - *used, &what, &err);

	if (n < 0) {
		bad_answer(client, err.text);
		return false;
	}
	*used += (size_t)n;
	switch (what) {
	case HTTP1_MORE:
		break;
	case HTTP1_HEAD:
		return response_arrived(client);
	case HTTP1_BODY:
		response_body_arrived(client);
		return true;
	case HTTP1_END:
		/* From here on the input may be somebody else's. */
		strbuf_consume(input, *used);
		*used = 0;
		return message_ended(client);
	}
	strbuf_consume(input, *used);
	flush_to_client(client);
	if (stream_is_congested(client->stream))
		stream_pause(upstream_stream(client->upstream));
	else
		stream_resume(upstream_stream(client->upstream));
	return false;
}

static void pump_response(struct client *client)
{
	struct strbuf *input = stream_input(upstream_stream(client->upstream));
	size_t used = 0;

	client_enter(client);
	while (pump_one(client, input, &used))
		;
	client_leave(client);
}

void forward_client_drained(struct client *client)
{
	if (client->state == CLIENT_FORWARDING)
		pump_response(client);
}

/* --- what the service's connection says --- */

static bool has_next_port(const struct client *client)
{
	const struct route *route = routes_find(&client->proxy->routes, client->host);

	return route && client->tries + 1 < route_port_count(route);
}

static void on_connected(struct upstream *upstream, int error, void *data)
{
	struct client *client = data;

	client_enter(client);
	if (error) {
		cleanup_free char *why =
			xasprintf("Nothing answers on its port: %s.", strerror(error));

		client->upstream = NULL;
		/* Nothing of the request has been sent, so another replica may have it. */
		if (has_next_port(client)) {
			client->tries++;
			find_route(client);
		} else {
			fail(client, why);
		}
	} else {
		send_request(client);
	}
	client_leave(client);
}

static void on_read(struct upstream *upstream, void *data)
{
	pump_response(data);
}

/* The connection ended and no byte of an answer had come. */
static void ended_without_answer(struct client *client)
{
	bool was_reused = upstream_is_reused(client->upstream);
	bool may_retry = client->is_retryable && (was_reused || has_next_port(client));

	if (!may_retry) {
		fail(client, "It closed the connection without an answer.");
		return;
	}
	forward_cancel(client);
	client->tries += !was_reused;
	client->is_retryable = false; /* also: a connection of its own */
	find_route(client);
}

static void on_eof(struct upstream *upstream, int error, void *data)
{
	struct client *client = data;
	struct http1_parser *parser = upstream_parser(upstream);
	cleanup(error_release) struct error err = ERROR_INIT;
	bool was_inside = http1_is_inside(parser);

	client_enter(client);
	if (!was_inside)
		ended_without_answer(client);
	else if (error == 0 && http1_end_of_input(parser, &err) == 0)
		answer_complete(client);
	else
		fail(client, "It closed the connection within its answer.");
	client_leave(client);
}

static void on_drain(struct upstream *upstream, void *data)
{
	client_pump(data);
}

/* The request is cut short, but an answer may be on its way: what is sent to it is lost. */
static void on_write_error(struct upstream *upstream, int error, void *data)
{
	struct client *client = data;

	client->request_broken = true;
	client_pump(client);
}

const struct upstream_events forward_events = {
	.on_connected = on_connected,
	.on_read = on_read,
	.on_eof = on_eof,
	.on_drain = on_drain,
	.on_write_error = on_write_error,
};
