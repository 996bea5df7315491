#include "keeper/notify.h"

#include "base/error.h"
#include "base/mem.h"
#include "keeper/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct notify_message parsed(const char *text)
{
	struct notify_message message;

	notify_parse(text, strlen(text), &message);
	return message;
}

static void test_each_assignment(void **state)
{
	struct notify_message message = parsed("STATUS=two of three\nREADY=1\nWATCHDOG_USEC=5000");

	assert_true(message.is_ready);
	assert_false(message.is_stopping);
	assert_int_equal(message.text_len, 12);
	assert_memory_equal(message.text, "two of three", 12);
	assert_true(message.has_watchdog_us);
	assert_int_equal(message.watchdog_us, 5000);
	assert_true(parsed("STOPPING=1\n").is_stopping);
	assert_int_equal(parsed("WATCHDOG=1").watchdog, WATCHDOG_FED);
	assert_int_equal(parsed("WATCHDOG=trigger").watchdog, WATCHDOG_TRIGGERED);
	assert_int_equal(parsed("EXTEND_TIMEOUT_USEC=7").extend_us, 7);
	assert_true(parsed("MAINPID=12").has_main_pid);
	assert_int_equal(parsed("STATUS=").text_len, 0);
	assert_non_null(parsed("STATUS=").text);
}

static void test_what_says_nothing(void **state)
{
	static const char *const empty[] = {
		"",
		"\n\n",
		"READY",
		"READY=0",
		"READY=10",
		"ready=1",
		" READY=1",
		"XREADY=1",
		"WATCHDOG=2",
		"WATCHDOG_USEC=soon",
		"WATCHDOG_USEC=-1",
		"EXTEND_TIMEOUT_USEC=",
		"EXTEND_TIMEOUT_USEC=99999999999999999999999",
		"BARRIER=1",
		"FDSTORE=1",
	};

	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		struct notify_message message = parsed(empty[i]), nothing = {0};

		assert_memory_equal(&message, &nothing, sizeof(nothing));
	}
	/* A day is for ever. */
	assert_int_equal(parsed("EXTEND_TIMEOUT_USEC=9223372036854775807").extend_us, 86400000000);
}

static int test_socket(char **ret_path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char dir[] = "/tmp/locald-notify-XXXXXX";
	int fd;

	assert_non_null(mkdtemp(dir));
	*ret_path = xasprintf("%s/web.notify", dir);
	fd = notify_open(*ret_path, 0600, &err);
	assert_true(fd >= 0);
	return fd;
}

static void remove_socket(char *path)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	free(path);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	str_copy(addr.sun_path, sizeof(addr.sun_path), path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void test_the_sender_is_named(void **state)
{
	char data[NOTIFY_MESSAGE_MAX], *path;
	cleanup_close int fd = test_socket(&path);
	struct notify_sender sender;
	struct stat st;
	pid_t child;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(notify_receive(fd, data, &sender), -1);
	child = fork();
	if (child == 0)
		_exit(send(dial(path), "READY=1", 7, 0) != 7);
	/* It is gone when its message is read, and it is known all the same. */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(notify_receive(fd, data, &sender), 7);
	assert_int_equal(sender.pid, child);
	assert_int_equal(sender.uid, geteuid());
	remove_socket(path);
}

/* As sd_notify_barrier(3) waits: for the end of a pipe whose other end went along. */
static void test_what_comes_along_is_closed(void **state)
{
	char data[NOTIFY_MESSAGE_MAX], *path;
	cleanup_close int fd = test_socket(&path), out = dial(path);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = {.head = {.cmsg_level = SOL_SOCKET,
	                      .cmsg_type = SCM_RIGHTS,
	                      .cmsg_len = CMSG_LEN(sizeof(int))}};
	char text[] = "BARRIER=1";
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control.buf,
	                     .msg_controllen = sizeof(control.buf)};
	struct notify_sender sender;
	int barrier[2];

	assert_int_equal(pipe2(barrier, O_CLOEXEC | O_NONBLOCK), 0);
	memcpy(CMSG_DATA(&control.head), &barrier[1], sizeof(int));
	assert_int_equal(sendmsg(out, &msg, 0), iov.iov_len);
	close(barrier[1]);
	assert_int_equal(read(barrier[0], data, 1), -1);
	assert_int_equal(notify_receive(fd, data, &sender), iov.iov_len);
	assert_int_equal(read(barrier[0], data, 1), 0);
	close(barrier[0]);
	remove_socket(path);
}

static void test_a_message_that_is_too_long_is_none(void **state)
{
	char data[NOTIFY_MESSAGE_MAX], *path;
	char text[NOTIFY_MESSAGE_MAX + 1] = "READY=1\n";
	cleanup_close int fd = test_socket(&path), out = dial(path);
	struct notify_sender sender;

	assert_int_equal(send(out, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(notify_receive(fd, data, &sender), 0);
	remove_socket(path);
}

static void test_a_path_that_does_not_fit(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = xasprintf("/tmp/%0108d", 0);

	assert_int_equal(notify_open(path, 0600, &err), -1);
	assert_int_equal(err.code, ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_assignment),
		cmocka_unit_test(test_what_says_nothing),
		cmocka_unit_test(test_the_sender_is_named),
		cmocka_unit_test(test_what_comes_along_is_closed),
		cmocka_unit_test(test_a_message_that_is_too_long_is_none),
		cmocka_unit_test(test_a_path_that_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
