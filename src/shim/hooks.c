#include "shim/hooks.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

int hooks_state_new(struct error *err)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "memfd_create") : fd;
}

int hooks_set_state(int state, const char *json, struct error *err)
{
	if (ftruncate(state, 0) < 0 || lseek(state, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "hook state");
	return fd_write_all(state, json, strlen(json), err);
}

/* As crun and runc: without `env` a hook has the environment of the runtime. */
static char *const *env_of(const struct spec_hook *hook)
{
	static char *const none[] = {NULL};

	if (!hook->has_env)
		return environ;
	return hook->env.len > 0 ? hook->env.items : none;
}

static bool redirect(const char *path, int to)
{
	cleanup_close int fd = -1;

	if (!path)
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0600);
	return fd >= 0 && dup2(fd, to) >= 0;
}

static no_return void become_hook(const struct spec_hook *hook, int state)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	proc_reset_signals();
	if (lseek(state, 0, SEEK_SET) < 0 || dup2(state, STDIN_FILENO) < 0)
		_exit(127);
	if (!redirect(hook->out, STDOUT_FILENO) || !redirect(hook->err, STDERR_FILENO))
		_exit(126);
	fd_close_from(STDERR_FILENO + 1);
	execve(hook->path, hook->args.items, env_of(hook));
	_exit(errno == ENOENT ? 127 : 126);
}

/* 0 when the process ended in time. */
static int wait_for(int pidfd, int timeout_s, struct error *err)
{
	int64_t end = clock_mono_ms() + (int64_t)timeout_s * 1000;
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	for (;;) {
		int64_t left = timeout_s > 0 ? end - clock_mono_ms() : -1;
		int n = poll(&poll_fd, 1, timeout_s > 0 && left < 0 ? 0 : (int)left);

		if (n > 0)
			return 0;
		if (n == 0)
			return error_set(err, ERR_TIMEOUT, "did not end within %d s", timeout_s);
		if (errno != EINTR)
			return error_errno(err, errno, "poll");
	}
}

static int run_hook(const struct spec_hook *hook, const char *kind, int state, struct error *err)
{
	cleanup_close int pidfd = -1;
	int status = 0, waited;
	pid_t pid = fork();

	if (pid < 0)
		return error_errno(err, errno, "fork");
	if (pid == 0)
		become_hook(hook, state);
	pidfd = pidfd_open(pid, 0);
	waited = pidfd < 0 ? error_errno(err, errno, "pidfd_open")
	                   : wait_for(pidfd, hook->timeout_s, err);
	if (waited < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (waited < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, ERR_FAILED, "was killed by signal %d", WTERMSIG(status));
	return error_set(err, ERR_FAILED, "%s hook failed with exit code: %d", kind,
	                 WEXITSTATUS(status));
}

int hooks_run(const struct spec_hooks *hooks, const char *kind, int state, struct error *err)
{
	int status = 0;

	array_foreach(hook, hooks) {
		cleanup(error_release) struct error why = ERROR_INIT;

		if (run_hook(hook, kind, state, &why) == 0)
			continue;
		error_wrap(&why, "hooks.%s[%zu]: `%s`", kind, array_index(hooks, hook), hook->path);
		/* Of those that end a container the rest run, too; the first failure is told. */
		if (status == 0)
			status = error_move(err, &why);
		if (!str_eq(kind, "poststop"))
			return status;
	}
	return status;
}
