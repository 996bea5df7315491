#include "shim/init.h"

#include "base/error.h"
#include "base/fd.h"
#include "shim/plan.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KEPT_CAP CAP_KILL /* the program may run as another user than process 1 */

static void drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	for (int cap = 0; cap <= 63; cap++)
		if (cap != KEPT_CAP)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	data[0].effective = data[0].permitted = 1U << KEPT_CAP;
	syscall(SYS_capset, &header, data);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* `exec` joins the container through this process, so it may be looked at. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
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

int pid1_split(const struct plan *plan, struct error *err)
{
	sigset_t all;
	pid_t program;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	program = fork();
	if (program < 0)
		return error_errno(err, errno, "fork");
	if (program == 0)
		return 0;
	drop_privileges();
	/* Nothing of the host, and nothing that would keep the program's peers waiting. */
	fd_close_from(0);
	if (chdir("/") < 0)
		_exit(125);
	reap_and_forward(program, &all);
}
