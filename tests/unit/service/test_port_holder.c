#include "service/port_holder.h"

#include "base/error.h"
#include "base/str.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Listens on a port of the kernel's choice. */
static int listen_on(const struct sockaddr *want, socklen_t want_len, int *ret_port)
{
	struct sockaddr_in6 addr;
	socklen_t len = sizeof(addr);
	int fd = socket(want->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, want, want_len) < 0 || listen(fd, 1) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin6_port); /* at the same place as sin_port */
	return fd;
}

static int listen_v4(uint32_t address, int *ret_port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};

	return listen_on((const struct sockaddr *)&addr, sizeof(addr), ret_port);
}

static void test_addresses(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_listeners_release) struct port_listeners all = {0};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct port_listener *listener;
	int loopback_port, any_port, six_port = 0;
	cleanup_close int loopback = listen_v4(INADDR_LOOPBACK, &loopback_port);
	cleanup_close int any = listen_v4(INADDR_ANY, &any_port);
	cleanup_close int six_fd = listen_on((const struct sockaddr *)&six, sizeof(six), &six_port);

	assert_true(loopback >= 0 && any >= 0);
	assert_int_equal(port_listeners_read(&all, &err), 0);
	listener = port_listeners_find(&all, loopback_port);
	assert_non_null(listener);
	assert_true(listener->is_reachable);
	assert_false(listener->is_any);
	listener = port_listeners_find(&all, any_port);
	assert_true(listener->is_any && listener->is_reachable && !listener->is_ipv6);
	if (six_fd >= 0) {
		listener = port_listeners_find(&all, six_port);
		assert_true(listener->is_ipv6 && listener->is_reachable && !listener->is_any);
	}
	assert_null(port_listeners_find(&all, 0));
}

/* Bytes that this process has read; -1 where that is not counted. */
static long long bytes_read(void)
{
	cleanup_file FILE *file = fopen("/proc/self/io", "re");
	long long bytes;

	return file && fscanf(file, "rchar: %lld", &bytes) == 1 ? bytes : -1;
}

#define CONNECTIONS 400

static void test_connections_are_not_read(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_listeners_release) struct port_listeners all = {0};
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int port, later_port, fds[CONNECTIONS];
	cleanup_close int listening = listen_v4(INADDR_LOOPBACK, &port), later = -1;
	long long before, after;

	addr.sin_port = htons((uint16_t)port);
	for (int i = 0; i < CONNECTIONS; i += 2) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
		fds[i + 1] = accept(listening, NULL, NULL);
	}
	later = listen_v4(INADDR_LOOPBACK, &later_port);
	before = bytes_read();
	assert_int_equal(port_listeners_read(&all, &err), 0);
	after = bytes_read();
	assert_non_null(port_listeners_find(&all, port));
	assert_non_null(port_listeners_find(&all, later_port));
	/* A row takes 150 bytes; those of IPv6 and the buffer's length come on top. */
	if (before >= 0)
		assert_true(after - before < (long long)(all.items.len + CONNECTIONS / 2) * 150);
	for (int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
}

static void test_holder_is_named(void **state)
{
	struct port_holder holder;
	int port;
	cleanup_close int fd = listen_v4(INADDR_LOOPBACK, &port);
	cleanup_free char *text = NULL, *cwd = getcwd(NULL, 0);

	assert_true(port_holder_find(port, &holder));
	assert_int_equal(holder.pid, getpid());
	assert_string_equal(holder.cwd, cwd);
	text = port_holder_text(&holder);
	assert_non_null(strstr(text, "test_port_holder"));
	port_holder_release(&holder);
	close(fd);
	fd = -1;
	assert_false(port_holder_find(port, &holder));
}

static void test_text_without_a_pid(void **state)
{
	struct port_holder unknown = {0};
	cleanup_free char *text = port_holder_text(&unknown);

	assert_string_equal(text, "a process of another user");
}

/* A grandchild listens: it is in our tree, and in its own, but not in its sibling's. */
static void test_tree(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_listeners_release) struct port_listeners all = {0}, ours = {0}, sibling = {0};
	int ready[2], port = 0;
	pid_t child, other;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (grandchild == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)listen_v4(INADDR_LOOPBACK, &port);
			(void)!write(ready[1], &port, sizeof(port));
		}
		pause();
		_exit(0);
	}
	other = fork();
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &port, sizeof(port)), sizeof(port));
	assert_int_equal(port_listeners_read(&all, &err), 0);
	port_listeners_of_tree(&all, child, &ours);
	assert_non_null(port_listeners_find(&ours, port));
	port_listeners_of_tree(&all, other, &sibling);
	assert_int_equal(sibling.items.len, 0);
	kill(child, SIGKILL);
	kill(other, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_connections_are_not_read),
		cmocka_unit_test(test_holder_is_named),
		cmocka_unit_test(test_text_without_a_pid),
		cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
