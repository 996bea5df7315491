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

static bool has_pipes(const struct program_io *io, bool has_stdin)
{
	return io->captures[0].fd == FIRST_PASSED && io->captures[1].fd == FIRST_PASSED + 1 &&
	       io->input == (has_stdin ? FIRST_PASSED + 2 : -1);
}

static bool has_terminal(const struct program_io *io)
{
	return io->captures[0].fd == FIRST_PASSED && io->input == FIRST_PASSED + 1 &&
	       io->relay > FIRST_PASSED && io->captures[1].fd < 0;
}

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
	_exit((spec->tty ? has_terminal(&next) : has_pipes(&next, spec->has_stdin)) ? 0 : 5);
}

static void assert_adopted(struct keeper_spec spec, bool has_leader)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct program_io io = PROGRAM_IO_INIT;
	int fds[PROGRAM_ENDS_MAX], status;
	size_t count;
	pid_t pid;

	assert_int_equal(program_io_open(&io, &spec, &err), 0);
	if (has_leader)
		io.leader = proc_pidfd_open(getpid(), &err);
	count = program_io_ends(&io, fds);
	assert_int_equal(count, 2 + spec.has_stdin + SPOOL_STREAMS + has_leader);
	pid = fork();
	if (pid == 0)
		adopt(&spec, fds, (int)count, has_leader);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	program_io_release(&io);
}

static const struct keeper_spec pipes, with_stdin = {.has_stdin = true}, with_tty = {.tty = true};

static void test_all_ends_are_adopted(void **state)
{
	assert_adopted(pipes, true);
	assert_adopted(with_stdin, true);
	assert_adopted(with_tty, true);
}

/* There may have been no descriptor left for it. */
static void test_a_leader_may_be_missing(void **state)
{
	assert_adopted(pipes, false);
	assert_adopted(with_stdin, false);
	assert_adopted(with_tty, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_ends_are_adopted),
		cmocka_unit_test(test_a_leader_may_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
