#include "shim/seal.c" /* NOLINT(bugprone-suspicious-include): for add_seals() */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cmocka.h>

#define HELD_MS 400 /* longer than the kernel waits in one call */

/* A pipe that has a hold of the memory's only page, until it is read. */
static void hold_page(int memory, int pipe_fds[2])
{
	long size = sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	struct iovec piece = {.iov_base = page, .iov_len = (size_t)size};

	assert_true(page != MAP_FAILED);
	page[0] = 1;
	assert_int_equal(vmsplice(pipe_fds[1], &piece, 1, 0), size);
	assert_int_equal(munmap(page, (size_t)size), 0);
}

static void test_a_page_that_is_held_for_a_while(void **state)
{
	cleanup_close int memory = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fds[2], status;
	pid_t reader;

	assert_int_equal(ftruncate(memory, sysconf(_SC_PAGESIZE)), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	hold_page(memory, fds);
	assert_int_equal(fcntl(memory, F_ADD_SEALS, SEALS), -1);
	assert_int_equal(errno, EBUSY);
	reader = fork();
	if (reader == 0) {
		char page[65536];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)poll(NULL, 0, HELD_MS);
		_exit(read(fds[0], page, sizeof(page)) > 0 ? 0 : 1);
	}
	assert_int_equal(add_seals(memory), 0);
	assert_int_equal(fcntl(memory, F_GET_SEALS) & SEALS, SEALS);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_what_cannot_be_sealed(void **state)
{
	cleanup_close int memory = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(add_seals(memory), -1);
	assert_int_equal(errno, EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_page_that_is_held_for_a_while),
		cmocka_unit_test(test_what_cannot_be_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
