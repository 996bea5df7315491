#include "shim/init.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KEPT_CAP CAP_KILL /* the program may run as another user than process 1 */

/* What is left must outlive an execve, also of a process that is not root here: it is ambient. */
static void drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	for (int cap = 0; cap <= 63; cap++)
		if (cap != KEPT_CAP)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	data[0].effective = data[0].permitted = data[0].inheritable = 1U << KEPT_CAP;
	syscall(SYS_capset, &header, data);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, KEPT_CAP, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int status_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static no_return void reap_and_forward(pid_t program, const sigset_t *all)
{
	for (;;) {
		siginfo_t info;
		int status, signo = sigwaitinfo(all, &info);
		pid_t pid;

		if (signo > 0 && signo != SIGCHLD) {
			kill(program, signo);
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == program)
				_exit(status_of(status));
	}
}

no_return void pid1_main(const char *program)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int64_t pid;
	sigset_t all;

	if (str_to_int(program, 2, INT_MAX, &pid, &err) < 0)
		_exit(125);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "locald-shim");
	/* Nothing that would keep the program's peers waiting. */
	fd_close_from(0);
	if (chdir("/") < 0)
		_exit(125);
	reap_and_forward((pid_t)pid, &all);
}

/*
 * `exec` joins the container through process 1, so it can be looked at from inside; its memory
 * must not be ours, with the caller's environment and the host's paths in it.
 */
static no_return void become_pid1(const struct plan *plan, pid_t program)
{
	char name[] = "locald-shim", command[] = PID1_COMMAND, pid[16];
	char *argv[] = {name, command, pid, NULL}, *envp[] = {NULL};

	snprintf(pid, sizeof(pid), "%d", program);
	drop_privileges();
	syscall(SYS_execveat, plan->exe, "", argv, envp, AT_EMPTY_PATH);
	_exit(125);
}

int pid1_split(const struct plan *plan, struct error *err)
{
	sigset_t all;
	pid_t program;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* The program may run before process 1 is what it is to be. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	program = fork();
	if (program < 0)
		return error_errno(err, errno, "fork");
	if (program > 0)
		become_pid1(plan, program);
	return 0;
}
