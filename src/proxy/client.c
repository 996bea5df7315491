#include "proxy/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "proxy/forward.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define HEAD_MS       30000
#define KEEP_ALIVE_MS 75000
#define STALL_MS      30000
#define LINGER_MS     2000

/* --- life --- */

static void unlink_client(struct client *client)
{
	if (!client->link)
		return;
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	client->link = NULL;
	proxy_client_gone(client->proxy);
}

static void client_free(struct client *client)
{
	stream_free(client->stream);
	http1_parser_free(client->parser);
	loop_source_free(client->timer);
	free(client);
}

void client_drop(struct client *client)
{
	forward_cancel(client);
	unlink_client(client);
	client->state = CLIENT_DEAD;
	if (client->depth == 0)
		client_free(client);
}

void client_enter(struct client *client)
{
	client->depth++;
}

void client_leave(struct client *client)
{
	client->depth--;
	if (client->depth == 0 && client->state == CLIENT_DEAD)
		client_free(client);
}

/* --- time --- */

/* Deadlines move with every request; the timer is only touched when one comes nearer. */
void client_set_deadline(struct client *client, int64_t delay_ms)
{
	client->deadline_ms = delay_ms < 0 ? INT64_MAX : clock_mono_ms() + delay_ms;
	if (client->deadline_ms >= client->timer_due_ms)
		return;
	client->timer_due_ms = client->deadline_ms;
	loop_timer_set(client->timer, delay_ms);
}

/* A client that reads the last answer slowly has its time as long as it goes on. */
static void wait_for_end(struct client *client)
{
	client->linger_queued = stream_queued(client->stream);
	client_set_deadline(client, client->linger_queued > 0 ? STALL_MS : LINGER_MS);
}

static void deadline_passed(struct client *client)
{
	if (client->state == CLIENT_READING && http1_is_inside(client->parser))
		client_send_text(client, 408, "The request did not arrive in time.");
	else if (client->state == CLIENT_WAITING)
		forward_waited_too_long(client);
	else if (client->state == CLIENT_LINGERING &&
	         stream_queued(client->stream) != client->linger_queued)
		wait_for_end(client);
	else
		client_drop(client);
}

static void on_timer(struct loop_source *source, void *data)
{
	struct client *client = data;
	int64_t now = clock_mono_ms();

	client->timer_due_ms = INT64_MAX;
	if (client->deadline_ms == INT64_MAX)
		return;
	if (now < client->deadline_ms) {
		client->timer_due_ms = client->deadline_ms;
		loop_timer_set(source, client->deadline_ms - now);
		return;
	}
	client->deadline_ms = INT64_MAX;
	deadline_passed(client);
}

/* --- answers --- */

static void forget_request(struct client *client)
{
	client->is_head_timed = client->request_done = false;
	client->is_head = client->is_http10 = client->is_last = false;
	client->wants_html = client->wants_upgrade = client->is_retryable = false;
	client->host[0] = '\0';
	client->connection = NULL;
	client->request_broken = client->response_started = false;
	client->response_chunked = client->upstream_is_last = false;
}

/*
 * Closing with unread bytes would reset the connection and could take the answer
 * along, so only our side is closed until the client has seen that.
 */
static void linger(struct client *client)
{
	client->state = CLIENT_LINGERING;
	strbuf_reset(stream_input(client->stream));
	stream_resume(client->stream);
	stream_shutdown_write(client->stream);
	wait_for_end(client);
}

void client_answered(struct client *client)
{
	client->proxy->requests++;
	if (client->is_last || !client->request_done) {
		linger(client);
		return;
	}
	forget_request(client);
	client->state = CLIENT_READING;
	client_set_deadline(client, KEEP_ALIVE_MS);
	client_pump(client);
}

void client_send_page(struct client *client, struct page *page)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	forward_cancel(client);
	client->is_last |= !client->request_done;
	page_head(page, &head);
	http1_write_head(&out, &head, false, client->is_last ? "close" : NULL);
	if (!client->is_head)
		strbuf_add(&out, page->body.buf, page->body.len);
	page_release(page);
	stream_write(client->stream, out.buf, out.len);
	client_answered(client);
}

void client_send_text(struct client *client, int status, const char *text)
{
	struct page page = {.is_html = client->wants_html, .body = STRBUF_INIT};

	page_plain(&page, status, text);
	client_send_page(client, &page);
}

/* --- requests --- */

static void bad_request(struct client *client, const struct error *err)
{
	cleanup_free char *text = xasprintf("Refused: %s.", err->text);

	client->is_last = true;
	if (client->response_started)
		client_drop(client);
	else
		client_send_text(client, http1_error_status(client->parser), text);
}

/* Is there something to do with more bytes? */
static bool wants_bytes(const struct client *client)
{
	return client->state == CLIENT_READING ||
	       (client->state == CLIENT_FORWARDING && !client->request_done &&
	        !forward_is_blocked(client));
}

/* A request without a body has ended with its head, and is forwarded as one that has. */
static void head_arrived(struct client *client)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	enum http1_what what;

	client_set_deadline(client, -1);
	if (http1_message(client->parser)->body == HTTP_BODY_NONE) {
		http1_next(client->parser, "", 0, &what, &err);
		client->request_done = true;
	}
	forward_request(client);
}

static void body_arrived(struct client *client)
{
	size_t len;
	const char *body = http1_body(client->parser, &len);

	forward_body(client, body, len);
}

/* False when there is nothing more to be done with the input now. */
static bool pump_one(struct client *client, const struct strbuf *input, size_t *used)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	enum http1_what what;
	ssize_t n = http1_next(client->parser, input->buf + *used, input->len - *used, &what, &err);

	if (n < 0) {
		bad_request(client, &err);
		return false;
	}
	*used += (size_t)n;
	switch (what) {
	case HTTP1_MORE:
		return false;
	case HTTP1_HEAD:
		head_arrived(client);
		break;
	case HTTP1_BODY:
		body_arrived(client);
		break;
	case HTTP1_END:
		client->request_done = true;
		forward_end(client);
		break;
	}
	return true;
}

void client_pump(struct client *client)
{
	struct strbuf *input = stream_input(client->stream);
	size_t used = 0;

	if (client->is_pumping)
		return;
	client_enter(client);
	client->is_pumping = true;
	while (wants_bytes(client))
		if (!pump_one(client, input, &used))
			break;
	client->is_pumping = false;
	forward_flush(client);
	if (client->state == CLIENT_LINGERING)
		used = input->len;
	if (client->state != CLIENT_DEAD) {
		strbuf_consume(input, used);
		stream_resume(client->stream);
	}
	if (client->state == CLIENT_READING && !client->is_head_timed &&
	    http1_is_inside(client->parser)) {
		client->is_head_timed = true;
		client_set_deadline(client, HEAD_MS);
	}
	client_leave(client);
}

/* --- the stream --- */

static void on_read(struct stream *stream, void *data)
{
	struct client *client = data;

	client_pump(client);
}

/* A client that ends its side while it is owed an answer counts as gone, as in other proxies. */
static void on_eof(struct stream *stream, int error, void *data)
{
	client_drop(data);
}

static void on_drain(struct stream *stream, void *data)
{
	forward_client_drained(data);
}

static const struct stream_events stream_events = {
	.on_read = on_read,
	.on_eof = on_eof,
	.on_drain = on_drain,
};

static void read_address(int fd, char out[INET6_ADDRSTRLEN])
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} addr = {0};
	socklen_t len = sizeof(addr);

	getpeername(fd, &addr.any, &len);
	if (addr.any.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &addr.ipv6.sin6_addr, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET, &addr.ipv4.sin_addr, out, INET6_ADDRSTRLEN);
}

bool client_accept(struct proxy *proxy, int fd, int port)
{
	struct client *client = xcalloc(1, sizeof(*client));
	cleanup(error_release) struct error err = ERROR_INIT;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	read_address(fd, client->address);
	client->stream = stream_new(proxy->loop, fd, &stream_events, client, &err);
	if (!client->stream) {
		/* No memory in the kernel: the client sees a closed connection and may retry. */
		free(client);
		return false;
	}
	client->proxy = proxy;
	client->port = port;
	snprintf(client->port_text, sizeof(client->port_text), "%d", port);
	client->parser = http1_parser_new(HTTP1_REQUESTS);
	client->timer = loop_add_timer(proxy->loop, -1, on_timer, client);
	client->deadline_ms = client->timer_due_ms = INT64_MAX;
	client_set_deadline(client, HEAD_MS);
	client->next = proxy->clients;
	client->link = &proxy->clients;
	if (client->next)
		client->next->link = &client->next;
	proxy->clients = client;
	return true;
}
