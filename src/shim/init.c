#include "shim/init.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/console.h"
#include "shim/exec.h"
#include "shim/hooks.h"
#include "shim/mounts.h"
#include "shim/plan.h"
#include "shim/rootfs.h"
#include "shim/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What the steps hand to each other. */
struct stage {
	int rootfs, root, terminal;
	int report;          /* who hears of failures: the shim, later `start` */
	char path[PATH_MAX]; /* the program */
};

/* Root inside the user namespace, where there is one: from here on host id 0 is gone. */
static int take_ids(const struct plan *plan, struct error *err)
{
	bool has_joined = plan->spec->ns[NS_USER].path;

	if (has_joined || (plan->has_new_userns && plan->maps_root)) {
		if (plan->exec.can_set_groups && !plan->exec.keeps_groups && setgroups(0, NULL) < 0)
			return error_errno(err, errno, "setgroups");
		/* Only the maps of a new namespace are known; a joined one may have no root. */
		if ((setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) &&
		    !(has_joined && errno == EINVAL))
			return error_errno(err, errno, "become root in the user namespace");
		/* A change of ids ends this. */
		if (exec_die_with_parent(&plan->exec, err) < 0)
			return -1;
	}
	/* Processes of a namespace that we joined must not trace us. */
	if (plan->is_joining && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "PR_SET_DUMPABLE");
	return 0;
}

static int make_session(const struct plan *plan, struct error *err)
{
	setsid();
	if (plan->no_new_keyring)
		return 0;
	/* An anonymous one; kernels and sandboxes without keyrings leave nothing to protect. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
	    errno != EPERM && errno != EACCES)
		return error_errno(err, errno, "make a session keyring");
	return 0;
}

static int raise_loopback(struct error *err)
{
	cleanup_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return error_errno(err, errno, "bring up the loopback interface");
	return 0;
}

/* Through the shim's own /proc, which nothing in the container can have replaced. */
static int set_sysctl(const struct plan *plan, const struct spec_pair *pair, struct error *err)
{
	const struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	cleanup_close int fd = -1;
	bool has_slashes = pair->key[strcspn(pair->key, "./")] == '/';
	char path[256];

	snprintf(path, sizeof(path), "sys/%s", pair->key);
	/* With dots between the parts a slash in "net.ipv4.conf.eth0/1.forwarding" is a dot. */
	for (char *at = path + strlen("sys/"); !has_slashes && *at; at++)
		*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
	fd = (int)syscall(SYS_openat2, plan->proc, path, &how, sizeof(how));
	if (fd < 0 || write(fd, pair->value, strlen(pair->value)) < 0)
		return error_errno(err, errno, "linux.sysctl.%s", pair->key);
	return 0;
}

static int set_offset(int fd, const char *clock, const struct spec_time_offset *offset,
                      struct error *err)
{
	char line[64];
	int len;

	if (!offset->is_set)
		return 0;
	len = snprintf(line, sizeof(line), "%s %lld %u", clock, (long long)offset->secs,
	               offset->nanosecs);
	if (write(fd, line, (size_t)len) < 0)
		return error_errno(err, errno, "linux.timeOffsets.%s", clock);
	return 0;
}

/* The offsets stand before the first process of the namespace: it is made for children, then
 * entered. */
static int make_time_namespace(const struct plan *plan, struct error *err)
{
	const struct spec_namespace *ns = &plan->spec->ns[NS_TIME];
	cleanup_close int offsets = -1, own = -1;

	if (!ns->is_set || ns->path)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return error_errno(err, errno, "make a time namespace");
	/* A change of ids gave our files in /proc to the host's root; nobody else is here to look.
	 */
	if (!plan->is_joining)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	offsets = openat(plan->proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	own = openat(plan->proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (!plan->is_joining)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (offsets < 0)
		return error_errno(err, errno, "linux.timeOffsets");
	if (set_offset(offsets, "monotonic", &plan->spec->monotonic, err) < 0 ||
	    set_offset(offsets, "boottime", &plan->spec->boottime, err) < 0)
		return -1;
	if (own < 0 || setns(own, CLONE_NEWTIME) < 0)
		return error_errno(err, errno, "enter the time namespace");
	return 0;
}

static int configure_namespaces(const struct plan *plan, struct error *err)
{
	const struct spec *spec = plan->spec;
	const struct spec_namespace *net = &spec->ns[NS_NET];

	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return error_errno(err, errno, "hostname");
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return error_errno(err, errno, "domainname");
	if (net->is_set && !net->path && raise_loopback(err) < 0)
		return -1;
	array_foreach(pair, &spec->sysctls) {
		/* Its file is root's of the host; the call is for whoever owns the namespace. */
		bool is_domain = str_eq(pair->key, "kernel.domainname") ||
		                 str_eq(pair->key, "kernel/domainname");

		if (is_domain && setdomainname(pair->value, strlen(pair->value)) < 0)
			return error_errno(err, errno, "linux.sysctl.%s", pair->key);
		if (!is_domain && set_sysctl(plan, pair, err) < 0)
			return -1;
	}
	return 0;
}

static int make_terminal(const struct plan *plan, struct stage *stage, struct error *err)
{
	const struct spec_process *process = plan->exec.process;
	cleanup_close int master = -1;

	if (!process->terminal)
		return 0;
	stage->terminal = console_open(stage->root, &master, err);
	if (stage->terminal < 0)
		return -1;
	if (console_set_size(stage->terminal, process->rows, process->cols,
	                     plan->console_socket < 0, err) < 0)
		return -1;
	/* The program may reopen its terminal by name; an id that is not mapped stays as it is. */
	if (fchown(stage->terminal, process->uid, (gid_t)-1) < 0 && errno != EINVAL &&
	    errno != EPERM)
		return error_errno(err, errno, "process.terminal: chown");
	if (devices_console(stage->root, stage->terminal, err) < 0)
		return -1;
	if (plan->console_socket >= 0)
		return console_send(plan->console_socket, master, err);
	return sync_send_fd(plan->sync, SYNC_CONSOLE, master, err);
}

static int run_create_hooks(const struct plan *plan, struct error *err)
{
	const struct spec_hooks *hooks = plan->spec->hooks;

	if (hooks[HOOK_PRESTART].len > 0 || hooks[HOOK_CREATE_RUNTIME].len > 0) {
		/*
		 * They look into our namespaces, which an ordinary user may not after a change of
		 * ids; nobody else is here to look.
		 */
		int was_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

		if (!plan->is_joining)
			prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		if (sync_send(plan->sync, SYNC_HOOKS, err) < 0 ||
		    sync_expect(plan->sync, SYNC_GO, err) < 0)
			return -1;
		if (was_dumpable != 1)
			prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	return hooks_run(&hooks[HOOK_CREATE_CONTAINER], "createContainer", plan->hook_state, err);
}

/* As crun and runc a missing directory is made; where that fails, entering it says why. */
static void make_cwd(const struct plan *plan, int root)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_close int dir = -1;

	if (!plan->exec.process->is_set || str_eq(plan->exec.process->cwd, "/"))
		return;
	dir = rootfs_make_dir(root, plan->exec.process->cwd, &ignored);
	if (dir < 0)
		error_release(&ignored);
}

static int build_root(const struct plan *plan, struct stage *stage, struct error *err)
{
	umask(0);
	if (mounts_open_sources(plan, &stage->rootfs, err) < 0 || take_ids(plan, err) < 0 ||
	    make_session(plan, err) < 0)
		return -1;
	if (plan->spec->ns[NS_CGROUP].is_set && !plan->spec->ns[NS_CGROUP].path &&
	    unshare(CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "make a cgroup namespace");
	if (make_time_namespace(plan, err) < 0)
		return -1;
	stage->root = mounts_make_root(plan, stage->rootfs, err);
	if (stage->root < 0)
		return -1;
	if (mounts_apply(plan, stage->root, err) < 0 || devices_make(plan, stage->root, err) < 0) {
		/* Linux 6.15 mounts on what is not attached itself. */
		if (!plan->owns_mounts && err->code == EINVAL)
			error_hint(err, "a container without a mount namespace of its own needs "
			                "Linux 6.15");
		return -1;
	}
	if (sync_expect(plan->sync, SYNC_RECORDED, err) < 0 ||
	    configure_namespaces(plan, err) < 0 || run_create_hooks(plan, err) < 0 ||
	    make_terminal(plan, stage, err) < 0)
		return -1;
	make_cwd(plan, stage->root);
	if (mounts_finish(plan, stage->root, err) < 0)
		return -1;
	return mounts_enter_root(plan, stage->root, err);
}

/* create: the container is made; the program runs when `start` connects. */
static int wait_for_start(const struct plan *plan, struct stage *stage, struct error *err)
{
	int sock;

	if (!plan->is_waiting)
		return 0;
	if (sync_send(plan->sync, SYNC_READY, err) < 0)
		return -1;
	close(plan->sync);
	do
		sock = accept4(plan->start_socket, NULL, NULL, SOCK_CLOEXEC);
	while (sock < 0 && errno == EINTR);
	if (sock < 0)
		return error_errno(err, errno, "wait for start");
	stage->report = sock;
	return 0;
}

static int set_personality(const struct plan *plan, struct error *err)
{
	if (plan->spec->has_personality && personality(plan->spec->personality) < 0)
		return error_errno(err, errno, "linux.personality");
	return 0;
}

static int set_memory_policy(const struct plan *plan, struct error *err)
{
	const struct spec_memory_policy *policy = &plan->spec->memory_policy;
	const uint64_t *nodes = policy->nodes.is_set ? policy->nodes.bits : NULL;

	if (policy->is_set &&
	    syscall(SYS_set_mempolicy, policy->mode, nodes, nodes ? SPEC_NUMBERS_MAX : 0) < 0)
		return error_errno(err, errno, "linux.memoryPolicy");
	return 0;
}

static int become_program(const struct plan *plan, struct stage *stage, struct error *err)
{
	exec_set_home(&plan->exec);
	if (plan->has_init && pid1_split(plan, err) < 0)
		return -1;
	if (plan->has_init)
		setsid();
	if (stage->terminal >= 0) {
		if (exec_take_terminal(stage->terminal, err) < 0)
			return -1;
	} else {
		exec_own_stdio(plan->exec.process);
	}
	return exec_program(&plan->exec, stage->path, stage->report, err);
}

static int run_steps(const struct plan *plan, struct stage *stage, struct error *err)
{
	if (exec_die_with_parent(&plan->exec, err) < 0 || sync_expect(plan->sync, SYNC_GO, err) < 0)
		return -1;
	if (build_root(plan, stage, err) < 0 || set_personality(plan, err) < 0 ||
	    set_memory_policy(plan, err) < 0)
		return -1;
	if (plan->exec.process->is_set &&
	    (exec_enter_cwd(&plan->exec, err) < 0 || exec_find(&plan->exec, stage->path, err) < 0))
		return -1;
	if (wait_for_start(plan, stage, err) < 0)
		return -1;
	/* It is optional, until somebody starts it. */
	if (!plan->exec.process->is_set)
		return error_set(err, ERR_CONFIG, "process: is required to start a container");
	if (hooks_run(&plan->spec->hooks[HOOK_START_CONTAINER], "startContainer", plan->hook_state,
	              err) < 0)
		return -1;
	return become_program(plan, stage, err);
}

no_return void init_main(const struct plan *plan)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct stage stage = {-1, -1, -1, plan->sync, ""};

	/* On success the last of these is execve. */
	run_steps(plan, &stage, &err);
	sync_send_failure(stage.report, &err);
	_exit(err.code == EXEC_NOT_FOUND ? 127 : err.code == EXEC_NOT_EXECUTABLE ? 126 : 125);
}
