#include "lifecycle/spawn.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

static no_return void run_child(const struct spawn *spawn)
{
	static char *const empty_env[] = {NULL};
	int out = spawn->out_fd >= 0 ? spawn->out_fd : STDOUT_FILENO;
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    (spawn->out_fd >= 0 && dup2(out, 2) < 0))
		goto failed;
	if (spawn->extra_fd >= 0 && spawn->extra_fd != 3 && dup2(spawn->extra_fd, 3) < 0)
		goto failed;
	if (spawn->extra_fd == 3 && fcntl(3, F_SETFD, 0) < 0)
		goto failed;
	fd_close_from(spawn->extra_fd >= 0 ? 4 : 3);
	if (spawn->cwd && chdir(spawn->cwd) < 0)
		goto failed;
	execve(spawn->argv[0], (char *const *)spawn->argv,
	       spawn->env->len ? spawn->env->items : empty_env);
failed:
	dprintf(2, "%s: %s\n", spawn->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

pid_t spawn_start(const struct spawn *spawn, struct error *err)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "start %s", spawn->argv[0]);
	if (pid == 0)
		run_child(spawn);
	return pid;
}

int spawn_wait(pid_t pid, struct error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "wait for process %d", (int)pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
