#include "service/held_ends.h"

#include "base/error.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#define COUNT 4

/* Passes the output of a service, as its keeper does. */
static void receive(struct held_ends *held)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const int fds[COUNT] = {0, 0, 0, 0};
	char text[8];
	int socks[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(fd_send_message(socks[0], "status", 6, fds, COUNT, &err), 0);
	assert_int_equal(held_ends_receive(held, socks[1], text, sizeof(text)), 6);
	close(socks[0]);
	close(socks[1]);
}

static struct rlimit limit_to(rlim_t soft)
{
	struct rlimit before, limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){soft, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static void test_held_above_the_soft_limit(void **state)
{
	struct rlimit before = limit_to(64), now;
	struct held_ends held[40] = {0};
	int lowest = dup(0);
	(void)state;

	close(lowest);
	for (int i = 0; i < 40; i++) {
		receive(&held[i]);
		assert_int_equal(held[i].count, COUNT);
		for (int k = 0; k < COUNT; k++) {
			assert_true(held[i].fds[k] >= 64);
			assert_int_equal(fcntl(held[i].fds[k], F_GETFD), FD_CLOEXEC);
		}
	}
	/* Below it nothing was taken, and it is what it was. */
	assert_int_equal(dup(0), lowest);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, 64);
	assert_int_equal(now.rlim_max, before.rlim_max);
	for (int i = 0; i < 40; i++)
		held_ends_release(&held[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Last, as it lowers the hard limit. */
static void test_no_more_than_half_without_room_above(void **state)
{
	struct rlimit limit = {64, 64};
	struct held_ends held[16] = {0};
	int count = 0;
	(void)state;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (count < 16) {
		receive(&held[count]);
		if (held[count].count == 0)
			break;
		for (int k = 0; k < COUNT; k++)
			assert_true(held[count].fds[k] < 32);
		count++;
	}
	assert_true(count > 0 && count < 8);
	while (count-- > 0)
		held_ends_release(&held[count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_above_the_soft_limit),
		cmocka_unit_test(test_no_more_than_half_without_room_above),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
