#include "api/daemon_start.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cmocka.h>

#define CALLERS 20

/* This program is its own daemon: started as `locald daemon …` it does as MODE says. */
static char home[] = "/tmp/test_daemon_start.XXXXXX";
static char self[4096];

static void note_start(const char *dir)
{
	cleanup_free char *path = path_join(dir, "starts");
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1)
		_exit(9);
	close(fd);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	str_copy(addr.sun_path, sizeof(addr.sun_path), path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		_exit(8);
	return fd;
}

static void answer_pings(int listener, const char *api)
{
	for (;;) {
		char request[4096];
		int fd = accept(listener, NULL, NULL);

		if (fork() != 0) { /* one child a connection */
			close(fd);
			continue;
		}
		alarm(120);
		while (read(fd, request, sizeof(request)) > 0)
			if (dprintf(fd,
			            "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n"
			            "{\"version\":\"9.9\",\"api\":%s}",
			            api) < 0)
				break;
		_exit(0);
	}
}

/* The descriptors are those of the contract: 3 to say ready, 4 the lock. */
static int be_daemon(void)
{
	const char *mode = getenv("MODE");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	cleanup_free char *sock = NULL;
	int listener;

	alarm(120);
	if (paths_init(&paths, NULL, &err) < 0)
		return 7;
	note_start(paths.run);
	if (str_eq(mode, "error"))
		return dprintf(3, "error no port is left\n") < 0;
	if (str_eq(mode, "die"))
		return 5;
	sock = paths_daemon_sock(&paths);
	listener = listen_at(sock);
	close(4);
	if (write(3, "ready\n", 6) != 6)
		return 6;
	close(3);
	answer_pings(listener, str_eq(mode, "old") ? "0" : "1");
	return 0;
}

static int prepare(void **state unused_arg)
{
	char name[32];
	static int number;

	snprintf(name, sizeof(name), "t%d", number++);
	setenv("LOCALD_SANDBOX", name, 1);
	return 0;
}

static struct paths sandbox_paths(void)
{
	struct paths paths = PATHS_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(paths_init(&paths, NULL, &err), 0);
	return paths;
}

static size_t count_starts(const struct paths *paths)
{
	cleanup_free char *path = path_join(paths->run, "starts");
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	return fs_read_file(path, 1000, &text, &err) < 0 ? 0 : text.len;
}

/* Ends the daemon that this client is connected to. */
static void end_daemon(struct client *client)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = client_daemon_pidfd(client, &err);

	assert_true(pidfd >= 0);
	assert_int_equal(daemon_wait_exit(pidfd, 0, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
	assert_int_equal(daemon_wait_exit(pidfd, 20000, &err), 0);
}

static void test_starts_once(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	struct client *client, *second;
	bool started;

	setenv("MODE", "good", 1);
	assert_null(daemon_connect(&paths, &err));
	assert_int_equal(err.code, ERR_DAEMON);
	assert_non_null(err.hint);

	client = daemon_start(&paths, self, &started, &err);
	assert_non_null(client);
	assert_true(started);
	second = daemon_start(&paths, self, &started, &err);
	assert_non_null(second);
	assert_false(started);
	assert_int_equal(count_starts(&paths), 1);
	end_daemon(client);
	client_free(client);
	client_free(second);
}

static void test_stale_socket(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	struct client *client;
	bool started;

	setenv("MODE", "good", 1);
	client = daemon_start(&paths, self, &started, &err);
	assert_non_null(client);
	end_daemon(client); /* its socket stays behind */
	client_free(client);
	client = daemon_start(&paths, self, &started, &err);
	assert_non_null(client);
	assert_true(started);
	assert_int_equal(count_starts(&paths), 2);
	end_daemon(client);
	client_free(client);
}

/* Exits with 0 when connected, 1 when it started the daemon besides, 2 on failure. */
static void call_in_child(const struct paths *paths, int gate)
{
	struct error err = ERROR_INIT;
	struct client *client;
	bool started;
	char c;

	if (read(gate, &c, 1) != 0)
		_exit(3);
	client = daemon_start(paths, self, &started, &err);
	_exit(client ? started : 2);
}

static void test_twenty_at_once(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	int starters = 0, gate[2];
	struct client *client;
	pid_t pids[CALLERS];

	setenv("MODE", "good", 1);
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < CALLERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			close(gate[1]);
			call_in_child(&paths, gate[0]);
		}
	}
	close(gate[0]);
	close(gate[1]); /* now */
	for (int i = 0; i < CALLERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		starters += WEXITSTATUS(status);
	}
	assert_int_equal(starters, 1);
	assert_int_equal(count_starts(&paths), 1);
	client = daemon_connect(&paths, &err);
	assert_non_null(client);
	end_daemon(client);
	client_free(client);
}

static void assert_fails(const char *mode, int code, const char *text)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	bool started;

	setenv("MODE", mode, 1);
	assert_null(daemon_start(&paths, self, &started, &err));
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, text));
	assert_non_null(err.hint);
}

static void test_refuses(void **state unused_arg)
{
	assert_fails("error", ERR_DAEMON, "no port is left");
}

static void test_dies(void **state unused_arg)
{
	assert_fails("die", ERR_DAEMON, "before it was ready");
}

static void test_other_version(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *sock = paths_daemon_sock(&paths);
	struct client *client;

	assert_fails("old", ERR_DAEMON, "locald 9.9");
	client = client_connect(sock, &err);
	assert_non_null(client);
	end_daemon(client);
	client_free(client);
}

static void test_no_program(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = sandbox_paths();
	cleanup(error_release) struct error err = ERROR_INIT;
	bool started;

	assert_null(daemon_start(&paths, "/nonexistent/locald", &started, &err));
	assert_non_null(strstr(err.text, "start the daemon"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_starts_once, prepare),
		cmocka_unit_test_setup(test_stale_socket, prepare),
		cmocka_unit_test_setup(test_twenty_at_once, prepare),
		cmocka_unit_test_setup(test_refuses, prepare),
		cmocka_unit_test_setup(test_dies, prepare),
		cmocka_unit_test_setup(test_other_version, prepare),
		cmocka_unit_test_setup(test_no_program, prepare),
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	ssize_t len;
	int failed;

	if (argc > 1 && str_eq(argv[1], "daemon"))
		return be_daemon();
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0 || !mkdtemp(home))
		return 1;
	self[len] = '\0';
	setenv("HOME", home, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(AT_FDCWD, home, &err);
	return failed;
}
