#include "loop/child.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* What the child says when it cannot become the program. */
struct exec_failure {
	int error;
	enum { AT_FDS, AT_CWD, AT_EXEC } step;
};

static no_return void fail(int report, int step)
{
	struct exec_failure failure = {.error = errno, .step = step};

	/* The parent sees a closed pipe as success, so the write must not be lost silently. */
	while (write(report, &failure, sizeof(failure)) < 0 && errno == EINTR)
		continue;
	_exit(127);
}

/*
 * Two passes, because one mapping's target may be another's source: first every
 * source moves above all targets, then down to its number.
 */
static int arrange_fds(const struct child_spec *spec, int *report)
{
	int first_free = 3, moved[16];

	if (spec->nfds > ARRAY_LEN(moved)) {
		errno = E2BIG;
		return -1;
	}
	for (size_t i = 0; i < spec->nfds; i++)
		if (spec->fds[i].to >= first_free)
			first_free = spec->fds[i].to + 1;
	*report = fcntl(*report, F_DUPFD_CLOEXEC, first_free);
	for (size_t i = 0; i < spec->nfds; i++) {
		int from = spec->fds[i].from;

		if (from < 0)
			from = open("/dev/null", O_RDWR | O_CLOEXEC);
		moved[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, first_free);
		if (moved[i] < 0)
			return -1;
	}
	for (int fd = 0; fd < 3; fd++) {
		int null = open("/dev/null", O_RDWR);

		if (null < 0 || (null != fd && dup2(null, fd) < 0))
			return -1;
		if (null > 2)
			close(null);
	}
	for (size_t i = 0; i < spec->nfds; i++)
		if (dup2(moved[i], spec->fds[i].to) < 0)
			return -1;
	return 0;
}

/* Descriptors that were not CLOEXEC at birth (inherited ones) must not leak into the child. */
static void close_others(const struct child_spec *spec, int report)
{
	int last = 2;

	for (size_t i = 0; i < spec->nfds; i++)
		if (spec->fds[i].to > last)
			last = spec->fds[i].to;
	for (int fd = 3; fd <= last; fd++) {
		bool wanted = false;

		for (size_t i = 0; i < spec->nfds; i++)
			wanted |= spec->fds[i].to == fd;
		if (!wanted)
			close(fd);
	}
	for (int fd = last + 1; fd < report; fd++)
		close(fd);
	fd_close_from(report + 1);
}

static no_return void become(const struct child_spec *spec, int report, pid_t parent)
{
	proc_reset_signals();
	if (spec->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	if (spec->new_session)
		setsid();
	if (arrange_fds(spec, &report) < 0)
		fail(report, AT_FDS);
	close_others(spec, report);
	if (spec->cwd && chdir(spec->cwd) < 0)
		fail(report, AT_CWD);
	if (spec->env)
		execvpe(spec->path, (char *const *)spec->argv, (char *const *)spec->env);
	else
		execvp(spec->path, (char *const *)spec->argv);
	fail(report, AT_EXEC);
}

static int explain(const struct child_spec *spec, const struct exec_failure *failure,
                   struct error *err)
{
	switch (failure->step) {
	case AT_FDS:
		return error_errno(err, failure->error, "start %s: descriptors", spec->path);
	case AT_CWD:
		return error_errno(err, failure->error, "start %s in %s", spec->path, spec->cwd);
	case AT_EXEC:
		break;
	}
	return error_errno(err, failure->error, "start %s", spec->path);
}

pid_t child_spawn(const struct child_spec *spec, struct error *err)
{
	struct exec_failure failure;
	cleanup_close int read_end = -1, write_end = -1;
	pid_t parent = getpid(), pid;
	ssize_t n;
	int fds[2];

	if (fd_pipe(fds, err) < 0)
		return -1;
	read_end = fds[0];
	write_end = fds[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "fork");
	if (pid == 0)
		become(spec, write_end, parent);
	close(take_fd(write_end));
	do
		n = read(read_end, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(failure))
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return explain(spec, &failure, err);
}
