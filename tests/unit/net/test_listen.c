#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"
#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void close_both(struct listen_loopback *l)
{
	close_fd(&l->ipv4);
	close_fd(&l->ipv6);
}

static int try_list(const int *ports, size_t count, struct listen_loopback *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int rc = listen_loopback(ports, count, ret, &err);

	assert_true(rc == 0 || (err.code == EADDRINUSE && err.text));
	return rc;
}

static void the_first_free_port_is_taken(void **state)
{
	cleanup(close_both) struct listen_loopback one = {.ipv4 = -1, .ipv6 = -1}, two = one;

	assert_int_equal(try_list((int[]){0}, 1, &one), 0);
	assert_true(one.port > 0 && one.ipv4 >= 0);
	assert_int_equal(try_list((int[]){one.port}, 1, &two), -1);
	assert_int_equal(two.ipv4, -1);
	assert_int_equal(try_list((int[]){one.port, 0}, 2, &two), 0);
	assert_int_not_equal(two.port, one.port);
}

static void a_port_taken_for_ipv6_alone_is_not_taken(void **state)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	cleanup(close_both) struct listen_loopback one = {.ipv4 = -1, .ipv6 = -1};
	cleanup_close int sock = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, len) < 0)
		skip();
	assert_int_equal(listen(sock, 1), 0);
	assert_int_equal(getsockname(sock, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(try_list((int[]){ntohs(addr.sin6_port)}, 1, &one), -1);
}

static void only_loopback_is_listened_on(void **state)
{
	cleanup(close_both) struct listen_loopback one = {.ipv4 = -1, .ipv6 = -1};
	struct sockaddr_in addr;
	struct sockaddr_in6 addr6;
	socklen_t len = sizeof(addr), len6 = sizeof(addr6);

	assert_int_equal(try_list((int[]){0}, 1, &one), 0);
	assert_int_equal(getsockname(one.ipv4, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(ntohl(addr.sin_addr.s_addr), INADDR_LOOPBACK);
	if (one.ipv6 < 0)
		return;
	assert_int_equal(getsockname(one.ipv6, (struct sockaddr *)&addr6, &len6), 0);
	assert_true(IN6_IS_ADDR_LOOPBACK(&addr6.sin6_addr));
	assert_int_equal(ntohs(addr6.sin6_port), one.port);
}

/* A directory of its own for each test, whose name may be longer than a socket's. */
static char *make_dir(size_t len)
{
	cleanup(strbuf_release) struct strbuf path = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	char dir[] = "/tmp/locald-listen-XXXXXX";

	assert_non_null(mkdtemp(dir));
	strbuf_addf(&path, "%s/", dir);
	while (path.len < len)
		strbuf_addch(&path, 'd');
	assert_int_equal(fs_mkdirs(path.buf, 0700, &err), 0);
	return strbuf_detach(&path);
}

static void unix_socket_is_private_and_replaced(void **state)
{
	for (size_t len = 40; len <= 200; len += 160) {
		cleanup_free char *dir = make_dir(len), *path = path_join(dir, "daemon.sock");
		cleanup(error_release) struct error err = ERROR_INIT;
		struct stat st;
		uid_t uid;
		pid_t pid;

		for (int i = 0; i < 2; i++) {
			cleanup_close int sock = listen_unix(path, &err);
			cleanup_close int client = -1;

			assert_true(sock >= 0);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_mode & 07777, 0600);
			client = listen_unix_connect(path, &err);
			assert_true(client >= 0);
			assert_true(listen_unix_peer(client, &uid, &pid));
			assert_int_equal(uid, geteuid());
		}
		assert_int_equal(listen_unix_connect(path, &err), -1);
		assert_int_equal(err.code, ECONNREFUSED);
		unlink(path);
		rmdir(dir);
	}
}

static void foreign_things_are_not_replaced(void **state)
{
	cleanup_free char *dir = make_dir(40), *path = path_join(dir, "s");
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(fs_write_atomic(path, "x", 1, 0600, &err), 0);
	assert_int_equal(listen_unix(path, &err), -1);
	assert_int_equal(err.code, EEXIST);
	unlink(path);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(listen_unix(path, &err), -1);
	assert_int_equal(err.code, EEXIST);
	unlink(path);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(listen_unix(path, &err), -1);
	assert_false(fs_exists(path));
	rmdir(dir);
}

static void tcp_has_no_peer(void **state)
{
	cleanup(close_both) struct listen_loopback one = {.ipv4 = -1, .ipv6 = -1};
	uid_t uid = 7;
	pid_t pid;

	assert_int_equal(try_list((int[]){0}, 1, &one), 0);
	assert_false(listen_unix_peer(one.ipv4, &uid, &pid));
	assert_int_equal(uid, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_free_port_is_taken),
		cmocka_unit_test(a_port_taken_for_ipv6_alone_is_not_taken),
		cmocka_unit_test(only_loopback_is_listened_on),
		cmocka_unit_test(unix_socket_is_private_and_replaced),
		cmocka_unit_test(foreign_things_are_not_replaced),
		cmocka_unit_test(tcp_has_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
