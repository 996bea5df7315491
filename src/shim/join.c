#include "shim/join.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/cgroup.h"
#include "shim/console.h"
#include "shim/exec.h"
#include "shim/plan.h"
#include "shim/state.h"
#include "shim/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	{"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},    {"pid", CLONE_NEWPID},
	{"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},
	{"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

/* What the new process needs beyond the request. */
struct joining {
	const struct join_request *request;
	int flags, sync;
};

/* The namespaces in which the container differs from us. */
static int find_namespaces(const struct join_request *request, struct error *err)
{
	int flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct stat own, its;
		char path[64];

		snprintf(path, sizeof(path), "self/ns/%s", kinds[i].name);
		if (fstatat(request->proc, path, &own, 0) < 0)
			continue; /* a kernel without it */
		snprintf(path, sizeof(path), "%d/ns/%s", request->state->pid, kinds[i].name);
		if (fstatat(request->proc, path, &its, 0) < 0)
			return error_errno(err, errno, "look at the %s namespace of the container",
			                   kinds[i].name);
		if (own.st_ino != its.st_ino)
			flags |= kinds[i].flag;
	}
	return flags;
}

static bool can_set_groups(const struct join_request *request)
{
	cleanup_close int fd = -1;
	char path[64], text[8] = "";

	snprintf(path, sizeof(path), "%d/setgroups", request->state->pid);
	fd = openat(request->proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || !str_starts(text, "deny");
}

static int take_terminal(const struct joining *joining, struct error *err)
{
	const struct spec_process *process = joining->request->exec->process;
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int master = -1, terminal = -1;

	if (root < 0)
		return error_errno(err, errno, "/");
	terminal = console_open(root, &master, err);
	if (terminal < 0)
		return -1;
	if (console_set_size(terminal, process->rows, process->cols,
	                     joining->request->console_socket < 0, err) < 0)
		return -1;
	if (fchown(terminal, process->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return error_errno(err, errno, "process.terminal: chown");
	if (joining->request->console_socket >= 0) {
		if (console_send(joining->request->console_socket, master, err) < 0)
			return -1;
	} else if (sync_send_fd(joining->sync, SYNC_CONSOLE, master, err) < 0) {
		return -1;
	}
	return exec_take_terminal(terminal, err);
}

/* Root of the container's user namespace; where no root exists there the ids stay. */
static int take_root_ids(const struct joining *joining, struct error *err)
{
	if (!(joining->flags & CLONE_NEWUSER))
		return 0;
	if (joining->request->exec->can_set_groups && setgroups(0, NULL) < 0)
		return error_errno(err, errno, "setgroups");
	if ((setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) && errno != EINVAL)
		return error_errno(err, errno, "become root in the user namespace");
	return 0;
}

static int run_inside(const struct joining *joining, struct error *err)
{
	const struct plan_exec *exec = joining->request->exec;
	char path[PATH_MAX];

	if (sync_expect(joining->sync, SYNC_GO, err) < 0 || take_root_ids(joining, err) < 0)
		return -1;
	setsid();
	if (exec->process->terminal) {
		if (take_terminal(joining, err) < 0)
			return -1;
	} else {
		exec_own_stdio(exec->process);
	}
	if (exec_enter_cwd(exec, err) < 0 || exec_find(exec, path, err) < 0)
		return -1;
	exec_set_home(exec);
	return exec_program(exec, path, joining->sync, err);
}

static no_return void become_program(const struct joining *joining)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	run_inside(joining, &err);
	sync_send_failure(joining->sync, &err);
	_exit(err.code == EXEC_NOT_FOUND ? 127 : err.code == EXEC_NOT_EXECUTABLE ? 126 : 125);
}

static int enter(const struct joining *joining, struct error *err)
{
	const struct join_request *request = joining->request;
	cleanup_close int root = -1;
	char path[64];

	if (request->enters_root) {
		snprintf(path, sizeof(path), "%d/root", request->state->pid);
		root = openat(request->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		/* While it lives, no other process has its number. */
		if (root < 0 || pidfd_send_signal(request->pidfd, 0, NULL, 0) < 0)
			return error_errno(err, errno, "open the root of the container");
	}
	if (joining->flags && setns(request->pidfd, joining->flags) < 0)
		return error_errno(err, errno, "enter the container");
	if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		return error_errno(err, errno, "enter the root of the container");
	return 0;
}

static no_return void run_between(const struct joining *joining)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct clone_args args = {.flags = CLONE_PARENT};
	pid_t pid;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (enter(joining, &err) == 0) {
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
		if (pid == 0)
			become_program(joining);
		if (pid < 0)
			error_errno(&err, errno, "make a process in the container");
		else if (sync_send_pid(joining->sync, pid, &err) == 0)
			_exit(0);
	}
	sync_send_failure(joining->sync, &err);
	_exit(125);
}

static pid_t start(const struct joining *joining, int sync, struct error *err)
{
	pid_t pid, between = fork();

	if (between < 0)
		return error_errno(err, errno, "fork");
	if (between == 0)
		run_between(joining);
	close(joining->sync);
	pid = sync_expect(sync, SYNC_CLONED, err);
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	return pid;
}

/* The first set is for the way into the cgroup, whose processors the last may need. */
static int set_affinity(pid_t pid, const struct spec_numbers *cpus, struct error *err)
{
	if (cpus->is_set && syscall(SYS_sched_setaffinity, pid, sizeof(cpus->bits), cpus->bits) < 0)
		return error_errno(err, errno, "process.execCPUAffinity");
	return 0;
}

/*
 * An ordinary user moves a process only where all of the way from its cgroup is the user's own:
 * cgroups(7), "Delegation".  A container in a scope of systemd is not, for the session of a login.
 */
static int enter_cgroup(const struct join_request *request, pid_t pid, struct error *err)
{
	if (cgroup_join(&request->state->cgroup, request->sub_cgroup, pid, false, err) == 0)
		return 0;
	if (geteuid() == 0 || request->sub_cgroup || err->code != EACCES)
		return -1;
	error_release(err);
	*err = (struct error)ERROR_INIT;
	*request->is_outside = true;
	return 0;
}

static int follow(const struct join_request *request, pid_t pid, int sync, int *ret_terminal,
                  struct error *err)
{
	if (set_affinity(pid, &request->exec->process->first_cpus, err) < 0 ||
	    exec_prepare_from_outside(request->exec->process, pid, request->proc, err) < 0 ||
	    enter_cgroup(request, pid, err) < 0 ||
	    set_affinity(pid, &request->exec->process->cpus, err) < 0 ||
	    listener_describe(&request->exec->listener, request->state, "running", pid, err) < 0 ||
	    sync_send(sync, SYNC_GO, err) < 0)
		return -1;
	for (;;) {
		int fd, kind = sync_receive(sync, &fd, err);

		if (kind == SYNC_CONSOLE)
			*ret_terminal = fd;
		else if (kind == SYNC_END)
			return 0;
		else
			return kind < 0 ? -1
			                : error_set(err, EPROTO, "unexpected message %d", kind);
	}
}

pid_t join_start(const struct join_request *request, int *ret_terminal, struct error *err)
{
	struct joining joining = {.request = request};
	cleanup_close int sync = -1;
	int ends[2];
	pid_t pid;

	joining.flags = find_namespaces(request, err);
	if (joining.flags < 0)
		return -1;
	request->exec->can_set_groups = can_set_groups(request);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, errno, "socketpair");
	sync = ends[0];
	joining.sync = ends[1];
	request->exec->parent = request->is_detached ? -1 : ends[1];
	pid = start(&joining, sync, err);
	if (pid < 0 || follow(request, pid, sync, ret_terminal, err) == 0)
		return pid;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}
