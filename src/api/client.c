#include "api/client.h"

#include "api/api_error.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "net/http1.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define READ_SIZE  (16 * 1024)
#define ANSWER_MAX (16 * 1024 * 1024) /* of one object, be it the whole answer or one line */

struct client {
	char *path;
	int fd; /* -1: connect at the next request */
	struct http1_parser *parser;
	struct strbuf in;
	struct client_watch watch;
	int64_t next_tick_ms;
	json_t *diagnostics;
	bool is_lost;
};

/* What is done with the body as it comes; -1 ends the request. */
typedef int body_fn(struct client *client, const char *data, size_t len, void *data_of_fn,
                    struct error *err);

static void disconnect(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	http1_parser_free(client->parser);
	client->parser = NULL;
	strbuf_reset(&client->in);
}

/* A path that does not fit an address is reached through a descriptor of its directory. */
static int connect_path(int fd, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int dir_fd = -1;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path)) {
		cleanup_free char *dir = path_dir(path);

		dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir_fd < 0)
			return -1;
		snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd,
		         path_base(path));
	}
	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

static int connect_now(struct client *client, struct error *err)
{
	disconnect(client);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return error_errno(err, errno, "socket");
	if (connect_path(client->fd, client->path) < 0) {
		int code = errno;

		disconnect(client);
		return error_errno(err, code, "connect to %s", client->path);
	}
	client->parser = http1_parser_new(HTTP1_RESPONSES);
	return 0;
}

struct client *client_connect(const char *path, struct error *err)
{
	cleanup(freep_client) struct client *client = xcalloc(1, sizeof(*client));

	client->path = xstrdup(path);
	client->fd = -1;
	client->in = (struct strbuf)STRBUF_INIT;
	client->watch.interrupt_fd = -1;
	return connect_now(client, err) < 0 ? NULL : take_ptr(client);
}

void client_free(struct client *client)
{
	if (!client)
		return;
	disconnect(client);
	strbuf_release(&client->in);
	json_decref(client->diagnostics);
	free(client->path);
	free(client);
}

void client_watch(struct client *client, const struct client_watch *watch)
{
	client->watch = watch ? *watch : (struct client_watch){.interrupt_fd = -1};
	client->next_tick_ms = clock_mono_ms() + client->watch.tick_ms;
}

const json_t *client_diagnostics(const struct client *client)
{
	return client->diagnostics;
}

bool client_is_lost(const struct client *client)
{
	return client->is_lost;
}

static int lost(struct client *client, struct error *err)
{
	client->is_lost = true;
	error_set(err, ERR_DAEMON, "the daemon closed the connection");
	return error_hint(err, "see `daemon.log`; services go on, and the next command finds them");
}

static int send_all(struct client *client, const struct strbuf *out, struct error *err)
{
	size_t sent = 0;

	while (sent < out->len) {
		ssize_t n = send(client->fd, out->buf + sent, out->len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return 0; /* it may have answered before it closed; reading will tell */
		else if (errno != EINTR)
			return error_errno(err, errno, "write to the daemon");
	}
	return 0;
}

/* Calls on_tick when it is due; returns the time until the next, -1 without ticks. */
static int tick(struct client *client)
{
	struct client_watch *watch = &client->watch;
	int64_t now = clock_mono_ms();

	if (watch->tick_ms <= 0)
		return -1;
	if (now >= client->next_tick_ms) {
		client->next_tick_ms = now + watch->tick_ms;
		watch->on_tick(watch->data);
	}
	return (int)(client->next_tick_ms - now);
}

static int wait_readable(struct client *client, struct error *err)
{
	struct pollfd fds[] = {
		{.fd = client->fd, .events = POLLIN},
		{.fd = client->watch.interrupt_fd, .events = POLLIN},
		{.fd = client->watch.on_also ? client->watch.also_fd : -1, .events = POLLIN},
	};

	if (client->watch.on_idle)
		client->watch.on_idle(client->watch.data);
	for (;;) {
		int n = poll(fds, ARRAY_LEN(fds), tick(client));

		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "poll");
		if (n > 0 && fds[1].revents)
			return error_set(err, ERR_INTERRUPTED, "interrupted");
		if (n > 0 && fds[2].revents && client->watch.on_also(client->watch.data, err) < 0)
			return -1;
		if (n > 0 && fds[0].revents)
			return 0;
	}
}

/* More bytes into the input; 0 at end of file. */
static ssize_t fill(struct client *client, struct error *err)
{
	char buf[READ_SIZE];
	ssize_t n;

	if (wait_readable(client, err) < 0)
		return -1;
	n = recv(client->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return error_errno(err, errno, "read from the daemon");
	strbuf_add(&client->in, buf, (size_t)n);
	return n;
}

/* Reads one answer, giving its body to fn; returns its status. */
static int read_answer(struct client *client, body_fn *fn, void *data, struct error *err)
{
	int status = 0;

	for (;;) {
		enum http1_what what;
		ssize_t used =
			http1_next(client->parser, client->in.buf, client->in.len, &what, err);

		if (used < 0)
			return error_wrap(err, "the daemon's answer");
		if (what == HTTP1_HEAD)
			status = http1_message(client->parser)->head.status;
		if (what == HTTP1_BODY) {
			size_t len;
			const char *body = http1_body(client->parser, &len);

			if (fn(client, body, len, data, err) < 0)
				return -1;
		}
		strbuf_consume(&client->in, (size_t)used);
		if (what == HTTP1_END)
			return status;
		if (what == HTTP1_MORE) {
			ssize_t n = fill(client, err);

			if (n < 0)
				return -1;
			if (n == 0)
				return http1_end_of_input(client->parser, err) < 0 || !status
				               ? lost(client, err)
				               : status;
		}
	}
}

static void write_request(struct strbuf *out, const char *method, const char *target,
                          const json_t *body)
{
	struct http_head head = HTTP_HEAD_INIT;
	cleanup_free char *text = body ? json_text(body) : NULL;

	http_head_set_request(&head, method, target);
	http_head_add(&head, "Host", "locald");
	if (text) {
		http_head_add(&head, "Content-Type", "application/json");
		http_head_addf(&head, "Content-Length", "%zu", strlen(text));
	}
	http1_write_head(out, &head, false, NULL);
	if (text)
		strbuf_adds(out, text);
	http_head_release(&head);
}

/* Sends a request and reads its answer; the connection is closed unless it can serve again. */
static int exchange(struct client *client, const char *method, const char *target,
                    const json_t *body, body_fn *fn, void *data, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	int status;

	client->is_lost = false;
	json_decref(client->diagnostics);
	client->diagnostics = NULL;
	if (client->fd < 0 && connect_now(client, err) < 0)
		return -1;
	write_request(&out, method, target, body);
	if (send_all(client, &out, err) < 0) {
		disconnect(client);
		return -1;
	}
	status = read_answer(client, fn, data, err);
	if (status < 0 || http1_message(client->parser)->is_last)
		disconnect(client);
	return status;
}

static int gather(struct client *client unused_arg, const char *data, size_t len, void *out,
                  struct error *err)
{
	struct strbuf *text = out;

	strbuf_add(text, data, len);
	if (text->overflow)
		return error_set(err, EFBIG, "the daemon's answer is larger than %d bytes",
		                 ANSWER_MAX);
	return 0;
}

/* An answer that is not a success, whose body is (or should be) {"error":{…}}. */
static int refused(struct client *client, int status, const struct strbuf *text, struct error *err)
{
	struct error ignored = ERROR_INIT;
	cleanup_json json_t *answer = json_parse(text->buf, text->len, &ignored);
	json_t *error = json_object_get(answer, "error");

	error_release(&ignored);
	if (!json_is_object(error))
		return error_set(err, ERR_DAEMON, "the daemon answered %d %s", status,
		                 http_status_text(status));
	client->diagnostics = json_incref(json_object_get(error, "diagnostics"));
	return api_error_from_json(error, err);
}

json_t *client_call(struct client *client, const char *method, const char *target,
                    const json_t *body, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(ANSWER_MAX);
	int status = exchange(client, method, target, body, gather, &text, err);
	json_t *answer;

	if (status < 0)
		return NULL;
	if (status >= 300) {
		refused(client, status, &text, err);
		return NULL;
	}
	answer = json_parse(text.buf, text.len, err);
	if (!answer)
		error_wrap(err, "the daemon's answer");
	return answer;
}

struct lines {
	struct strbuf text; /* a line that is not complete, or the body of an error */
	client_line_fn *fn;
	void *data;
};

static int one_line(struct lines *lines, const char *text, size_t len, struct error *err)
{
	cleanup_json json_t *line = NULL;

	if (len == 0)
		return 0;
	line = json_parse(text, len, err);
	if (!line)
		return error_wrap(err, "a line of the daemon's answer");
	return lines->fn(line, lines->data, err);
}

static int split(struct client *client, const char *data, size_t len, void *out, struct error *err)
{
	struct lines *lines = out;
	const char *end;

	if (http1_message(client->parser)->head.status >= 300)
		return gather(client, data, len, &lines->text, err);
	while ((end = memchr(data, '\n', len))) {
		size_t part = (size_t)(end - data);

		if (gather(client, data, part, &lines->text, err) < 0)
			return -1;
		if (one_line(lines, lines->text.buf, lines->text.len, err) < 0)
			return -1;
		strbuf_reset(&lines->text);
		data += part + 1;
		len -= part + 1;
	}
	return gather(client, data, len, &lines->text, err);
}

int client_stream(struct client *client, const char *method, const char *target, const json_t *body,
                  client_line_fn *fn, void *data, struct error *err)
{
	struct lines lines = {.text = STRBUF_INIT_MAX(ANSWER_MAX), .fn = fn, .data = data};
	int status = exchange(client, method, target, body, split, &lines, err);
	int r = status < 0 ? -1 : 0;

	if (status >= 300)
		r = refused(client, status, &lines.text, err);
	else if (status >= 0)
		r = one_line(&lines, lines.text.buf, lines.text.len, err);
	strbuf_release(&lines.text);
	return r;
}

int client_pass_on(struct client *client, struct error *err)
{
	return fd_set_cloexec(client->fd, false, err);
}

int client_daemon_pidfd(const struct client *client, struct error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (client->fd < 0)
		return error_set(err, ESRCH, "not connected");
	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_errno(err, errno, "SO_PEERCRED");
	return proc_pidfd_open(peer.pid, err);
}
