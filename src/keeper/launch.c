#include "keeper/launch.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define OOM_EXTRA 100

struct failure {
	int error;
	enum { AT_SETUP, AT_CWD, AT_EXEC } step;
};

/* When memory runs out, the service goes before what watches it.  Raising is always allowed. */
static void raise_oom_score(void)
{
	cleanup_close int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[16] = "";
	long score;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	score = strtol(text, NULL, 10) + OOM_EXTRA;
	(void)!pwrite(fd, text,
	              (size_t)snprintf(text, sizeof(text), "%ld", score > 1000 ? 1000 : score), 0);
}

/* Descriptors 0-2 are the keeper's own by now, so none of these is below 3. */
static int arrange_fds(const struct launch *launch, int *report)
{
	const int stdio[] = {launch->in, launch->out, launch->err};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (dup2(stdio[i] < 0 ? null : stdio[i], i) < 0)
			return -1;
	if (launch->has_terminal && ioctl(0, TIOCSCTTY, 0) < 0)
		return -1;
	if (*report != 3 && dup3(*report, 3, O_CLOEXEC) < 0)
		return -1;
	*report = 3;
	fd_close_from(4);
	return 0;
}

static __attribute__((noreturn)) void become(const struct launch *launch, int report)
{
	struct failure failure = {.step = AT_SETUP};

	if (launch->has_terminal)
		setsid();
	else
		setpgid(0, 0);
	/* Where it cannot be, it is in the tree all the same. */
	if (launch->cgroup >= 0)
		(void)!write(launch->cgroup, "0", 1);
	raise_oom_score();
	proc_reset_signals();
	if (arrange_fds(launch, &report) == 0) {
		failure.step = AT_CWD;
		if (chdir(launch->cwd) == 0) {
			failure.step = AT_EXEC;
			environ = (char **)launch->env;
			execvp(launch->argv[0], launch->argv);
		}
	}
	failure.error = errno;
	while (write(report, &failure, sizeof(failure)) < 0 && errno == EINTR)
		continue;
	_exit(127);
}

static int explain(const struct launch *launch, const struct failure *failure, struct error *err)
{
	switch (failure->step) {
	case AT_SETUP:
		break;
	case AT_CWD:
		return error_errno(err, failure->error, "folder %s", launch->cwd);
	case AT_EXEC:
		return error_errno(err, failure->error, "execute %s", launch->argv[0]);
	}
	return error_errno(err, failure->error, "start %s", launch->argv[0]);
}

pid_t launch_program(const struct launch *launch, struct error *err)
{
	cleanup_close int read_end = -1, write_end = -1;
	struct failure failure;
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (fd_pipe(fds, err) < 0)
		return -1;
	read_end = fds[0];
	write_end = fds[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "fork");
	if (pid == 0)
		become(launch, write_end);
	/* The child does it too: whoever comes first.  But who leads a group makes no session. */
	if (!launch->has_terminal)
		setpgid(pid, pid);
	close(take_fd(write_end));
	do
		n = read(read_end, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(failure))
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return explain(launch, &failure, err);
}
