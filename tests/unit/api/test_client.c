#include "api/client.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

/*
 * The server is a child that accepts one connection after another and answers each
 * request with the next of the given answers; NULL closes the connection.
 */
static char dir[] = "/tmp/test_client.XXXXXX";
static char sock_path[sizeof(dir) + 8];

struct server {
	pid_t pid;
};

static bool read_request(int fd, struct strbuf *in)
{
	char buf[4096];

	for (;;) {
		const char *end = strstr(in->buf, "\r\n\r\n");
		const char *length = strstr(in->buf, "Content-Length: ");
		size_t body = length ? (size_t)strtol(length + 16, NULL, 10) : 0;
		ssize_t n;

		if (end && in->len >= (size_t)(end - in->buf) + 4 + body) {
			strbuf_reset(in);
			return true;
		}
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return false;
		strbuf_add(in, buf, (size_t)n);
	}
}

static void serve(int listener, const char *const *answers)
{
	struct strbuf in = STRBUF_INIT;

	while (*answers) {
		int fd = accept(listener, NULL, NULL);

		while (*answers && **answers && read_request(fd, &in)) {
			if (write(fd, *answers, strlen(*answers)) < 0)
				break;
			answers++;
		}
		if (*answers && !**answers)
			answers++; /* an empty answer: hang up */
		close(fd);
		strbuf_reset(&in);
	}
	strbuf_release(&in);
}

static struct server start_server(const char *const *answers)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct server server;

	unlink(sock_path);
	str_copy(addr.sun_path, sizeof(addr.sun_path), sock_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 4), 0);
	server.pid = fork();
	if (server.pid == 0) {
		alarm(20);
		serve(listener, answers);
		_exit(0);
	}
	close(listener);
	return server;
}

static void stop_server(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	unlink(sock_path);
}

#define JSON_ANSWER(status, length, body)                                                          \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " length         \
	"\r\n\r\n" body

static void test_cut_json(void **state unused_arg)
{
	static const char *const answers[] = {JSON_ANSWER("200 OK", "14", "{\"version\":\"1\"}"),
	                                      NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	cleanup_json json_t *answer = NULL;

	assert_non_null(client);
	answer = client_call(client, "GET", "/v1/ping", NULL, &err);
	assert_null(answer); /* a byte beyond the length is not of it */
	assert_non_null(strstr(err.text, "answer"));
}

static void test_two_calls(void **state unused_arg)
{
	static const char *const answers[] = {
		JSON_ANSWER("200 OK", "15", "{\"version\":\"1\"}"),
		JSON_ANSWER("200 OK", "7", "{\"a\":1}"),
		NULL,
	};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	cleanup_json json_t *body = json_pack("{s:s}", "root", "/x");
	cleanup_json json_t *first = NULL;
	cleanup_json json_t *second = NULL;

	assert_non_null(client);
	first = client_call(client, "GET", "/v1/ping", NULL, &err);
	assert_string_equal(json_get_str(first, "version", ""), "1");
	second = client_call(client, "POST", "/v1/x", body, &err);
	assert_int_equal(json_get_int(second, "a", 0), 1);
}

static void test_error(void **state unused_arg)
{
	static const char *const answers[] = {
		"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3a\r\n{\"error\":{\"code\":\"not_found\",\"text\":\"no\",\"hint\":\"why\","
		"\"dia\r\n"
		"13\r\ngnostics\":[\"one\"]}}\r\n0\r\n\r\n",
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
		NULL,
	};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);

	assert_null(client_call(client, "GET", "/v1/status", NULL, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.text, "no");
	assert_string_equal(err.hint, "why");
	assert_int_equal(json_array_size(client_diagnostics(client)), 1);

	assert_null(client_call(client, "GET", "/v1/status", NULL, &err));
	assert_int_equal(err.code, ERR_DAEMON);
	assert_non_null(strstr(err.text, "500"));
	assert_null(client_diagnostics(client));
	assert_false(client_is_lost(client));
}

static int add_number(json_t *line, void *data, struct error *err)
{
	int64_t *sum = data;

	*sum = *sum * 10 + json_get_int(line, "n", 0);
	return *sum == 1239 ? error_set(err, ERR_FAILED, "enough") : 0;
}

static void test_stream(void **state unused_arg)
{
	/* Lines cut by chunks, an empty one, and a last without its end. */
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"4\r\n{\"n\"\r\n6\r\n:1}\n{\"\r\nd\r\nn\":2}\n\n{\"n\":3\r\n1\r\n}\r\n0\r\n\r\n",
		NULL,
	};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	int64_t sum = 0;

	assert_int_equal(client_stream(client, "GET", "/v1/logs", NULL, add_number, &sum, &err), 0);
	assert_int_equal(sum, 123);
}

static void test_stream_stops(void **state unused_arg)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
		"{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":9}\n{\"n\":4}\n",
		NULL,
	};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	int64_t sum = 0;

	assert_int_equal(client_stream(client, "GET", "/x", NULL, add_number, &sum, &err), -1);
	assert_string_equal(err.text, "enough");
	assert_int_equal(sum, 1239);
	assert_int_equal(client->fd,
	                 -1); /* the rest of the answer must not meet the next request */
}

static void test_bad_line(void **state unused_arg)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"n\":1}\n{oops", NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	int64_t sum = 0;

	assert_int_equal(client_stream(client, "GET", "/x", NULL, add_number, &sum, &err), -1);
	assert_int_equal(sum, 1);
}

static void test_lost(void **state unused_arg)
{
	static const char *const answers[] = {
		"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":1}", "",
		JSON_ANSWER("200 OK", "7", "{\"a\":1}"), NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	cleanup_json json_t *answer = NULL;

	assert_null(client_call(client, "GET", "/x", NULL, &err));
	assert_int_equal(err.code, ERR_DAEMON);
	assert_true(client_is_lost(client));

	assert_null(client_call(client, "GET", "/x", NULL, &err)); /* in the middle */
	assert_true(client_is_lost(client));

	answer = client_call(client, "GET", "/x", NULL, &err); /* it connects again */
	assert_non_null(answer);
	assert_false(client_is_lost(client));
}

static void test_not_http(void **state unused_arg)
{
	static const char *const answers[] = {"SSH-2.0-OpenSSH_9.2\r\n\r\n", NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);

	assert_null(client_call(client, "GET", "/x", NULL, &err));
	assert_non_null(err.text);
}

static void test_absent(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_null(client_connect(sock_path, &err));
	assert_int_equal(err.code, ENOENT);

	/* A socket that nobody listens on any more. */
	str_copy(addr.sun_path, sizeof(addr.sun_path), sock_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_null(client_connect(sock_path, &err));
	assert_int_equal(err.code, ECONNREFUSED);
	unlink(sock_path);
}

static void test_long_path(void **state unused_arg)
{
	static const char *const answers[] = {JSON_ANSWER("200 OK", "7", "{\"a\":1}"), NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf path = STRBUF_INIT;
	cleanup_json json_t *answer = NULL;
	struct client *client;

	strbuf_adds(&path, dir);
	for (int i = 0; i < 100; i++)
		strbuf_adds(&path, "/.");
	strbuf_adds(&path, "/sock");
	client = client_connect(path.buf, &err);
	assert_non_null(client);
	answer = client_call(client, "GET", "/x", NULL, &err);
	assert_non_null(answer);
	client_free(client);
}

static void count_tick(void *data)
{
	*(int *)data += 1;
}

struct interruption {
	const int64_t *sum;
	int fd, ticks;
};

/* The third tick after the line has come. */
static void interrupt_at_third(void *data)
{
	struct interruption *interruption = data;

	if (*interruption->sum == 1 && ++interruption->ticks == 3 &&
	    write(interruption->fd, "x", 1) < 0)
		abort();
}

static void test_interrupt(void **state unused_arg)
{
	/* The answer never ends; a tick plays Ctrl-C. */
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"n\":1}\n", "never", NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	int64_t sum = 0;
	struct interruption interruption = {.sum = &sum};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	interruption.fd = fds[1];
	client_watch(client, &(struct client_watch){.interrupt_fd = fds[0],
	                                            .tick_ms = 5,
	                                            .on_tick = interrupt_at_third,
	                                            .data = &interruption});
	assert_int_equal(client_stream(client, "GET", "/x", NULL, add_number, &sum, &err), -1);
	assert_int_equal(err.code, ERR_INTERRUPTED);
	assert_int_equal(sum, 1);
	assert_int_equal(interruption.ticks, 3);
	assert_int_equal(client->fd, -1); /* which tells the daemon */
	close(fds[0]);
	close(fds[1]);
}

static void test_idle(void **state unused_arg)
{
	static const char *const answers[] = {JSON_ANSWER("200 OK", "7", "{\"a\":1}"), NULL};
	cleanup(stop_server) unused_arg struct server server = start_server(answers);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_client) struct client *client = client_connect(sock_path, &err);
	cleanup_json json_t *answer = NULL;
	int idle = 0;

	client_watch(client, &(struct client_watch){
				     .interrupt_fd = -1, .on_idle = count_tick, .data = &idle});
	answer = client_call(client, "GET", "/x", NULL, &err);
	assert_non_null(answer);
	assert_true(idle >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_json),     cmocka_unit_test(test_two_calls),
		cmocka_unit_test(test_error),        cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_stops), cmocka_unit_test(test_bad_line),
		cmocka_unit_test(test_lost),         cmocka_unit_test(test_not_http),
		cmocka_unit_test(test_absent),       cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_interrupt),    cmocka_unit_test(test_idle),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
