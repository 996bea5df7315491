#include "keeper/program_io.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "keeper/protocol.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define FIRST_PASSED 3

/* In the next keeper, which has them from 3 on. */
static no_return void adopt(const struct keeper_spec *spec, const int *fds, int count,
                            bool has_leader)
{
	struct program_io next = PROGRAM_IO_INIT;
	int high[PROGRAM_ENDS_MAX];

	for (int i = 0; i < count; i++)
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 100);
	for (int i = 0; i < count; i++)
		if (dup2(high[i], FIRST_PASSED + i) < 0)
			_exit(2);
	if (!program_io_adopt(&next, spec, count))
		_exit(3);
	if (next.leader != (has_leader ? FIRST_PASSED + count - 1 : -1))
		_exit(4);
	_exit(next.captures[1].fd == FIRST_PASSED + 1 &&
	                      next.input == (spec->has_stdin ? FIRST_PASSED + 2 : -1)
	              ? 0
	              : 5);
}

static void assert_adopted(bool has_stdin, bool has_leader)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_spec spec = {.has_stdin = has_stdin};
	struct program_io io = PROGRAM_IO_INIT;
	int fds[PROGRAM_ENDS_MAX], status;
	size_t count;
	pid_t pid;

	assert_int_equal(program_io_open(&io, &spec, &err), 0);
	if (has_leader)
		io.leader = proc_pidfd_open(getpid(), &err);
	count = program_io_ends(&io, fds);
	assert_int_equal(count, 2 + has_stdin + SPOOL_STREAMS + has_leader);
	pid = fork();
	if (pid == 0)
		adopt(&spec, fds, (int)count, has_leader);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	program_io_release(&io);
}

static void test_all_ends_are_adopted(void **state)
{
	assert_adopted(false, true);
	assert_adopted(true, true);
}

/* There may have been no descriptor left for it. */
static void test_a_leader_may_be_missing(void **state)
{
	assert_adopted(false, false);
	assert_adopted(true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ends_are_adopted),
		cmocka_unit_test(test_a_leader_may_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
