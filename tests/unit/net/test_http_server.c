#include "base/error.h"
#include "base/fs.h"
#include "loop/stream.h"
#include "net/http_server.h"
#include "net/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GIVE_UP_MS 20000

/* A server whose paths are its behaviours, and one client, on one loop. */
struct fixture {
	char dir[32];
	char *path;
	struct loop *loop;
	struct http_server *server;
	struct stream *client;
	struct strbuf got;
	struct http_exchange *held; /* the exchange of GET /hold or /stream */
	int closes, drains, peers;
	size_t streamed;
	struct loop_source *timer;
	bool gave_up;
};

static void on_close(struct http_exchange *x, void *data)
{
	struct fixture *f = data;

	assert_ptr_equal(x, f->held);
	f->held = NULL;
	f->closes++;
	loop_stop(f->loop, 0);
}

static void flood(struct http_exchange *x, struct fixture *f)
{
	static const char block[8192];

	while (f->streamed < 4 * 1024 * 1024) {
		f->streamed += sizeof(block);
		if (!http_stream_write(x, block, sizeof(block)))
			return;
	}
	http_stream_end(x);
}

static void on_drain(struct http_exchange *x, void *data)
{
	struct fixture *f = data;

	f->drains++;
	flood(x, f);
}

static const struct http_exchange_events events = {.on_close = on_close, .on_drain = on_drain};

static void on_request(struct http_exchange *x, const struct http_request *request, void *data)
{
	struct fixture *f = data;
	const char *target = http_target(request->head);

	f->peers += request->peer_uid == geteuid() && request->peer_pid == getpid();
	if (strcmp(target, "/echo") == 0) {
		http_exchange_add_field(x, "X-Method", request->head->method);
		http_respond(x, 200, "text/plain", request->body, request->body_len);
	} else if (strcmp(target, "/lines") == 0) {
		http_stream_begin(x, 200, "application/x-ndjson");
		http_stream_write(x, "{}\n", 3);
		http_stream_write(x, "", 0);
		http_stream_write(x, "[]\n", 3);
		http_stream_end(x);
	} else if (strcmp(target, "/flood") == 0) {
		http_exchange_watch(x, &events, f);
		http_stream_begin(x, 200, "text/plain");
		flood(x, f);
	} else if (strcmp(target, "/hold") == 0) {
		f->held = x;
		http_exchange_watch(x, &events, f);
		loop_stop(f->loop, 0);
	} else if (strcmp(target, "/stream") == 0) {
		f->held = x;
		http_exchange_watch(x, &events, f);
		http_stream_begin(x, 200, "text/plain");
		http_stream_write(x, "first", 5);
	} else if (strcmp(target, "/shutdown") == 0) {
		http_server_free(f->server);
		f->server = NULL;
	} else {
		http_respond(x, 404, NULL, NULL, 0);
	}
}

static void client_read(struct stream *stream, void *data)
{
	struct fixture *f = data;
	struct strbuf *in = stream_input(stream);

	strbuf_add(&f->got, in->buf, in->len);
	strbuf_consume(in, in->len);
	stream_resume(stream);
	if (strstr(f->got.buf, "first"))
		loop_stop(f->loop, 0);
}

static void client_eof(struct stream *stream, int error, void *data)
{
	struct fixture *f = data;

	loop_stop(f->loop, 0);
}

static const struct stream_events client_events = {.on_read = client_read, .on_eof = client_eof};

static void on_give_up(struct loop_source *source, void *data)
{
	struct fixture *f = data;

	f->gave_up = true;
	loop_stop(f->loop, 1);
}

static void run(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	f->timer = loop_add_timer(f->loop, GIVE_UP_MS, on_give_up, f);
	loop_run(f->loop, &err);
	assert_false(f->gave_up);
	loop_source_free(f->timer);
}

static void start(struct fixture *f, const struct http_server_config *limits)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct http_server_config config = *limits;
	int fd;

	*f = (struct fixture){.dir = "/tmp/locald-http-XXXXXX", .got = STRBUF_INIT};
	assert_non_null(mkdtemp(f->dir));
	f->path = path_join(f->dir, "s");
	f->loop = loop_new(&err);
	fd = listen_unix(f->path, &err);
	assert_true(fd >= 0);
	config.on_request = on_request;
	config.data = f;
	f->server = http_server_new(f->loop, fd, &config, &err);
	assert_non_null(f->server);
}

static void connect_and_send(struct fixture *f, const char *text, size_t len)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int fd = listen_unix_connect(f->path, &err);

	assert_true(fd >= 0);
	stream_free(f->client);
	strbuf_reset(&f->got);
	f->client = stream_new(f->loop, fd, &client_events, f, &err);
	stream_write(f->client, text, len);
}

/* Sends text, and gives all that comes until the server closes. */
static const char *ask(struct fixture *f, const char *text)
{
	connect_and_send(f, text, strlen(text));
	run(f);
	return f->got.buf;
}

static void stop(struct fixture *f)
{
	stream_free(f->client);
	http_server_free(f->server);
	loop_free(f->loop);
	unlink(f->path);
	rmdir(f->dir);
	free(f->path);
	strbuf_release(&f->got);
}

static const struct http_server_config no_limits;

static void requests_are_answered_in_turn(void **state)
{
	cleanup(stop) struct fixture f;

	start(&f, &no_limits);
	assert_string_equal(
		ask(&f, "POST /echo HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\n\r\nhi"
	                "GET /lines HTTP/1.1\r\nHost: l\r\n\r\n"
	                "HEAD /echo HTTP/1.1\r\nHost: l\r\n\r\n"
	                "GET /nope HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
	                "GET /echo HTTP/1.1\r\nHost: l\r\n\r\n"),
		"HTTP/1.1 200 OK\r\nX-Method: POST\r\nContent-Type: text/plain\r\n"
		"Content-Length: 2\r\n\r\nhi"
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n3\r\n[]\n\r\n0\r\n\r\n"
		"HTTP/1.1 200 OK\r\nX-Method: HEAD\r\nContent-Type: text/plain\r\n"
		"Content-Length: 0\r\n\r\n"
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	assert_int_equal(f.peers, 4);
	assert_string_equal(ask(&f, "GET /lines HTTP/1.0\r\n\r\n"),
	                    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
	                    "Connection: close\r\n\r\n{}\n[]\n");
}

static void bad_requests_are_refused(void **state)
{
	cleanup(stop) struct fixture f;
	struct http_server_config limits = {.max_body = 10};

	start(&f, &limits);
	assert_non_null(strstr(ask(&f, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request\r\n"));
	assert_non_null(
		strstr(ask(&f, "POST /echo HTTP/1.1\r\nHost: l\r\nContent-Length: 11\r\n\r\n"),
	               "HTTP/1.1 413 "));
	assert_non_null(strstr(ask(&f, "POST /echo HTTP/1.1\r\nHost: l\r\n"
	                               "Transfer-Encoding: chunked\r\n\r\n"
	                               "6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n"),
	                       "HTTP/1.1 413 "));
	assert_int_equal(http_server_exchanges(f.server), 0);
}

static void expectation_is_met_before_the_body(void **state)
{
	cleanup(stop) struct fixture f;

	start(&f, &no_limits);
	assert_non_null(strstr(ask(&f, "POST /echo HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\n"
	                               "Connection: close\r\nExpect: 100-continue\r\n\r\nhi"),
	                       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

static void a_slow_head_times_out(void **state)
{
	cleanup(stop) struct fixture f;
	struct http_server_config limits = {.request_timeout_ms = 50};

	start(&f, &limits);
	assert_non_null(strstr(ask(&f, "GET / HTTP/1.1\r\nHo"), "HTTP/1.1 408 "));
	/* Nothing at all is closed without a word. */
	assert_string_equal(ask(&f, ""), "");
}

static void a_client_that_leaves_is_told(void **state)
{
	cleanup(stop) struct fixture f;
	static const char *const requests[] = {"GET /hold HTTP/1.1\r\nHost: l\r\n\r\n",
	                                       "GET /stream HTTP/1.1\r\nHost: l\r\n\r\n"};

	start(&f, &no_limits);
	for (int i = 0; i < 2; i++) {
		ask(&f, requests[i]);
		assert_non_null(f.held);
		assert_int_equal(http_server_exchanges(f.server), 1);
		stream_free(take_ptr(f.client));
		run(&f);
		assert_int_equal(f.closes, i + 1);
		assert_int_equal(http_server_exchanges(f.server), 0);
	}
}

static void a_late_answer_arrives(void **state)
{
	cleanup(stop) struct fixture f;

	start(&f, &no_limits);
	ask(&f, "GET /hold HTTP/1.1\r\nHost: l\r\n\r\n"
	        "GET /echo HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n");
	assert_string_equal(f.got.buf, "");
	http_respond(f.held, 202, NULL, NULL, 0);
	run(&f);
	assert_non_null(strstr(f.got.buf, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
	                                  "HTTP/1.1 200 OK\r\n"));
	assert_int_equal(f.closes, 0);
}

static void a_slow_reader_holds_the_stream_back(void **state)
{
	cleanup(stop) struct fixture f;
	static const char request[] = "GET /flood HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n";
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t before;

	start(&f, &no_limits);
	connect_and_send(&f, request, sizeof(request) - 1);
	stream_pause(f.client);
	/* Runs until the server has filled what there is and waits. */
	do {
		before = f.streamed;
		f.timer = loop_add_timer(f.loop, 20, on_give_up, &f);
		loop_run(f.loop, &err);
		loop_source_free(f.timer);
	} while (f.streamed == 0 || f.streamed > before);
	f.gave_up = false;
	assert_true(f.streamed > 0 && f.streamed < 2 * 1024 * 1024);
	stream_resume(f.client);
	run(&f);
	assert_int_equal(f.streamed, 4 * 1024 * 1024);
	assert_true(f.drains > 0);
	assert_true(f.got.len > f.streamed);
}

static void freeing_the_server_closes_what_is_open(void **state)
{
	cleanup(stop) struct fixture f;

	start(&f, &no_limits);
	ask(&f, "GET /hold HTTP/1.1\r\nHost: l\r\n\r\n");
	http_server_free(take_ptr(f.server));
	assert_int_equal(f.closes, 1);
	stop(&f);

	start(&f, &no_limits);
	assert_string_equal(ask(&f, "GET /shutdown HTTP/1.1\r\nHost: l\r\n\r\n"), "");
}

static void connections_are_limited(void **state)
{
	cleanup(stop) struct fixture f;
	struct http_server_config limits = {.max_connections = 1, .request_timeout_ms = 100};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int idle = -1;

	start(&f, &limits);
	idle = listen_unix_connect(f.path, &err);
	/* Served only once the idle one has timed out. */
	assert_non_null(strstr(ask(&f, "GET /lines HTTP/1.0\r\n\r\n"), "200 OK"));
	assert_int_equal(read(idle, (char[1]){0}, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_in_turn),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(expectation_is_met_before_the_body),
		cmocka_unit_test(a_slow_head_times_out),
		cmocka_unit_test(a_client_that_leaves_is_told),
		cmocka_unit_test(a_late_answer_arrives),
		cmocka_unit_test(a_slow_reader_holds_the_stream_back),
		cmocka_unit_test(freeing_the_server_closes_what_is_open),
		cmocka_unit_test(connections_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
