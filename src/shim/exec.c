#include "shim/exec.h"

#include "base/error.h"
#include "base/proc.h"
#include "base/str.h"
#include "shim/label.h"
#include "shim/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *env_value(const struct plan_exec *exec, const char *name)
{
	size_t len = strlen(name);

	for (char **at = exec->envp; *at; at++)
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	return NULL;
}

/* 0 when it can be executed, else an errno. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int cannot_run(const char *name, int code, struct error *err)
{
	if (code == ENOENT || code == ENOTDIR)
		return error_set(err, EXEC_NOT_FOUND, "executable file `%s` not found in $PATH: %s",
		                 name, strerror(ENOENT));
	return error_set(err, EXEC_NOT_EXECUTABLE, "executable file `%s` cannot be run: %s", name,
	                 strerror(code));
}

int exec_find(const struct plan_exec *exec, char *path, struct error *err)
{
	const char *name = exec->argv[0];
	const char *at = env_value(exec, "PATH");
	int worst = ENOENT, why;

	if (strchr(name, '/')) {
		why = check_executable(name);
		if (why || !str_copy(path, PATH_MAX, name))
			return cannot_run(name, why ? why : ENAMETOOLONG, err);
		return 0;
	}
	if (str_empty(name))
		return cannot_run(name, ENOENT, err);
	for (at = str_empty(at) ? DEFAULT_PATH : at;; at++) {
		size_t len = strcspn(at, ":");
		int wrote =
			snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, at, len ? "/" : "./", name);

		why = wrote < PATH_MAX ? check_executable(path) : ENAMETOOLONG;
		if (why == 0)
			return 0;
		if (why == EACCES)
			worst = EACCES;
		at += len;
		if (*at == '\0')
			return cannot_run(name, worst, err);
	}
}

int exec_enter_cwd(const struct plan_exec *exec, struct error *err)
{
	/* No /proc/self/fd/N: whatever our descriptors are, they are not the container's. */
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	const char *cwd = exec->process->cwd;
	cleanup_close int fd = (int)syscall(SYS_openat2, AT_FDCWD, cwd, &how, sizeof(how));
	char path[PATH_MAX];

	if (fd < 0 || fchdir(fd) < 0)
		return error_errno(err, errno, "process.cwd: chdir to `%s`", cwd);
	/* Outside of our root the kernel says "(unreachable)…". */
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0)
		return error_errno(err, errno, "process.cwd: `%s`", cwd);
	if (path[0] != '/')
		return error_set(err, EACCES, "process.cwd: `%s` is outside the container", cwd);
	return 0;
}

int exec_take_terminal(int fd, struct error *err)
{
	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "make the terminal ours");
	for (int to = STDIN_FILENO; to <= STDERR_FILENO; to++)
		if (dup2(fd, to) < 0)
			return error_errno(err, errno, "dup2");
	return 0;
}

void exec_own_stdio(const struct spec_process *process)
{
	struct stat st;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
			continue;
		/* A pipe whose owner is not mapped stays as it is: writing still works. */
		if (fchown(fd, process->uid, process->gid) < 0)
			continue;
	}
}

struct sched_attributes { /* struct sched_attr of linux/sched/types.h */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduling(const struct spec_process *process, struct error *err)
{
	const struct spec_scheduler *wanted = &process->scheduler;
	const struct sched_attributes attributes = {
		.size = sizeof(attributes),
		.policy = wanted->policy,
		.flags = wanted->flags,
		.nice = wanted->nice,
		.priority = wanted->priority,
		.runtime = wanted->runtime,
		.deadline = wanted->deadline,
		.period = wanted->period,
	};
	enum { WHO_PROCESS = 1 };

	if (process->has_scheduler && syscall(SYS_sched_setattr, 0, &attributes, 0) < 0) {
		error_errno(err, errno, "process.scheduler");
		if (err->code == EPERM && wanted->priority > 0)
			error_hint(err, "a cgroup of its own has no real-time until "
			                "linux.resources.cpu.realtimeRuntime gives it some");
		return -1;
	}
	if (process->has_io_priority &&
	    syscall(SYS_ioprio_set, WHO_PROCESS, 0, process->io_priority) < 0)
		return error_errno(err, errno, "process.ioPriority");
	return 0;
}

static int set_rlimits(const struct spec_process *process, struct error *err)
{
	array_foreach(limit, &process->rlimits) {
		const struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

		if (setrlimit((__rlimit_resource_t)limit->resource, &value) < 0)
			return error_errno(err, errno, "process.rlimits: %s", limit->name);
	}
	return 0;
}

static int set_seccomp(const struct plan_exec *exec, int report, struct error *err)
{
	if (exec->filter.len == 0)
		return 0;
	if (exec->listener.sock >= 0)
		return listener_install(exec, report, err);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, exec->seccomp->flags, &exec->filter) < 0)
		return error_errno(err, errno, "linux.seccomp: install the filter");
	return 0;
}

int exec_die_with_parent(const struct plan_exec *exec, struct error *err)
{
	struct pollfd parent = {.fd = exec->parent};

	if (exec->parent < 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_errno(err, errno, "PR_SET_PDEATHSIG");
	/* It may have died just before. */
	if (poll(&parent, 1, 0) > 0 && parent.revents & POLLHUP)
		_exit(128 + SIGKILL);
	return 0;
}

static int set_ids(const struct plan_exec *exec, struct error *err)
{
	const struct spec_process *process = exec->process;
	uid_t uid = process->uid;
	gid_t gid = process->gid;

	if (exec->can_set_groups && !exec->keeps_groups &&
	    setgroups(process->groups.len, process->groups.items) < 0)
		return error_errno(err, errno, "process.user.additionalGids");
	if (!exec->can_set_groups && process->groups.len > 0)
		return error_set(err, EPERM,
		                 "process.user.additionalGids: groups cannot be set in this user "
		                 "namespace");
	if (setresgid(gid, gid, gid) < 0)
		return error_errno(err, errno, "process.user.gid: become group %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return error_errno(err, errno, "process.user.uid: become user %u", uid);
	return 0;
}

static int drop_bounding(const struct plan_exec *exec, struct error *err)
{
	for (uint64_t cap = 0; cap < 64; cap++) {
		if (exec->process->caps.bounding & UINT64_C(1) << cap)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		/* The kernel knows no more. */
		return errno == EINVAL ? 0
		                       : error_errno(err, errno, "process.capabilities.bounding");
	}
	return 0;
}

static int set_caps(const struct plan_exec *exec, struct error *err)
{
	const struct spec_caps *caps = &exec->process->caps;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(caps->effective >> (32 * i));
		data[i].permitted = (uint32_t)(caps->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(caps->inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "process.capabilities");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (uint64_t cap = 0; cap < 64 && caps->ambient >> cap; cap++) {
		if (!(caps->ambient & UINT64_C(1) << cap))
			continue;
		/* Not permitted or not inheritable, so it cannot be granted: that is no failure. */
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0 && errno != EPERM &&
		    errno != EINVAL)
			return error_errno(err, errno, "process.capabilities.ambient");
	}
	return 0;
}

static int set_identity(const struct plan_exec *exec, int report, struct error *err)
{
	const struct spec_process *process = exec->process;

	if (drop_bounding(exec, err) < 0)
		return -1;
	/* Without no_new_privs a filter takes CAP_SYS_ADMIN, which goes next. */
	if (!process->no_new_privileges && set_seccomp(exec, report, err) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "keep capabilities");
	if (set_ids(exec, err) < 0 || set_caps(exec, err) < 0 ||
	    exec_die_with_parent(exec, err) < 0)
		return -1;
	if (process->no_new_privileges) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return error_errno(err, errno, "process.noNewPrivileges");
		return set_seccomp(exec, report, err);
	}
	return 0;
}

int exec_program(const struct plan_exec *exec, const char *path, int report, struct error *err)
{
	const struct spec_process *process = exec->process;
	unsigned first = STDERR_FILENO + 1 + exec->preserve_fds;

	if (set_scheduling(process, err) < 0 || set_rlimits(process, err) < 0)
		return -1;
	umask(process->umask);
	/* Only execve closes: the way to report a failure is among them. */
	if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(err, errno, "close_range");
	if (set_identity(exec, report, err) < 0)
		return -1;
	if (label_apply(exec->proc, process, err) < 0)
		return -1;
	proc_reset_signals_of(exec->ignored);
	execve(path, exec->argv, exec->envp);
	return cannot_run(path, errno, err);
}

static int raise_hard_limit(const struct spec_rlimit *limit, pid_t pid, struct error *err)
{
	struct rlimit now, value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

	if (getrlimit((__rlimit_resource_t)limit->resource, &now) < 0)
		return error_errno(err, errno, "process.rlimits: %s", limit->name);
	if (limit->hard <= now.rlim_max)
		return 0;
	value.rlim_cur = now.rlim_cur;
	if (prlimit(pid, (__rlimit_resource_t)limit->resource, &value, NULL) == 0)
		return 0;
	error_errno(err, errno, "process.rlimits: raise %s to %llu", limit->name,
	            (unsigned long long)limit->hard);
	return error_hint(err, "the highest value allowed here is %llu",
	                  (unsigned long long)now.rlim_max);
}

int exec_prepare_from_outside(const struct spec_process *process, pid_t pid, int proc,
                              struct error *err)
{
	cleanup_close int fd = -1;
	char path[64], value[16];
	int len;

	array_foreach(limit, &process->rlimits)
		if (raise_hard_limit(limit, pid, err) < 0)
			return -1;
	if (!process->has_oom_score_adj)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", pid);
	len = snprintf(value, sizeof(value), "%d", process->oom_score_adj);
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, (size_t)len) < 0)
		return error_errno(err, errno, "process.oomScoreAdj: %d", process->oom_score_adj);
	return 0;
}
