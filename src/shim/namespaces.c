#include "shim/namespaces.h"

#include "base/error.h"
#include "base/userns.h"
#include "shim/idmap.h"
#include "shim/init.h"
#include "shim/plan.h"
#include "shim/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The order in which namespaces are joined: those that others depend on first. */
static const uint64_t clone_flags[NS_COUNT] = {
	[NS_USER] = CLONE_NEWUSER,     [NS_MOUNT] = CLONE_NEWNS,  [NS_PID] = CLONE_NEWPID,
	[NS_NET] = CLONE_NEWNET,       [NS_IPC] = CLONE_NEWIPC,   [NS_UTS] = CLONE_NEWUTS,
	[NS_CGROUP] = CLONE_NEWCGROUP, [NS_TIME] = CLONE_NEWTIME,
};

static const char *const names[NS_COUNT] = {
	[NS_USER] = "user", [NS_MOUNT] = "mount", [NS_PID] = "pid",       [NS_NET] = "network",
	[NS_IPC] = "ipc",   [NS_UTS] = "uts",     [NS_CGROUP] = "cgroup", [NS_TIME] = "time",
};

int namespaces_open(const struct spec *spec, int fds[], struct error *err)
{
	for (size_t i = 0; i < NS_COUNT; i++)
		fds[i] = -1;
	for (size_t i = 0; i < NS_COUNT; i++) {
		if (!spec->ns[i].path)
			continue;
		fds[i] = open(spec->ns[i].path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return error_errno(err, errno, "linux.namespaces: %s namespace %s",
			                   names[i], spec->ns[i].path);
	}
	return 0;
}

static pid_t clone_child(const struct plan *plan, uint64_t extra, int cgroup, struct error *err)
{
	struct clone_args args = {.flags = extra, .exit_signal = SIGCHLD};
	pid_t pid;

	for (size_t i = 0; i < NS_COUNT; i++)
		/* A cgroup namespace is made in its cgroup, a time namespace with its offsets. */
		if (i != NS_CGROUP && i != NS_TIME && plan->spec->ns[i].is_set &&
		    !plan->spec->ns[i].path)
			args.flags |= clone_flags[i];
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	/* The exit signal is inherited from the process in between. */
	if (extra & CLONE_PARENT)
		args.exit_signal = 0;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		init_main(plan);
	if (pid < 0) {
		error_errno(err, errno, "make the container's namespaces");
		userns_explain(err->code, err);
	}
	return pid;
}

/*
 * Which side may join a namespace depends on who owns it: what fails before the
 * user namespace is entered is tried again inside.
 */
static int join(const int joined[], struct error *err)
{
	bool is_done[NS_COUNT] = {false};
	bool has_user = joined[NS_USER] >= 0;

	for (size_t i = NS_USER + 1; has_user && i < NS_COUNT; i++)
		is_done[i] = joined[i] >= 0 && setns(joined[i], (int)clone_flags[i]) == 0;
	for (size_t i = NS_USER; i < NS_COUNT; i++) {
		if (joined[i] < 0 || is_done[i])
			continue;
		if (setns(joined[i], (int)clone_flags[i]) < 0)
			return error_errno(err, errno, "join the %s namespace", names[i]);
	}
	return 0;
}

static no_return void run_between(struct plan *plan, const int joined[], int cgroup)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	pid_t pid;

	if (join(joined, &err) == 0) {
		plan->exec.can_set_groups = idmap_can_set_groups(plan->spec);
		pid = clone_child(plan, CLONE_PARENT, cgroup, &err);
		if (pid > 0 && sync_send_pid(plan->sync, pid, &err) == 0)
			_exit(0);
	}
	sync_send_failure(plan->sync, &err);
	_exit(125);
}

pid_t namespaces_clone(struct plan *plan, const int joined[], int cgroup, int parent_sync,
                       struct error *err)
{
	pid_t between, pid;

	if (!plan->is_joining)
		return clone_child(plan, 0, cgroup, err);
	between = fork();
	if (between < 0)
		return error_errno(err, errno, "fork");
	if (between == 0)
		run_between(plan, joined, cgroup);
	pid = sync_expect(parent_sync, SYNC_CLONED, err);
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	return pid;
}
