#include "shim/fuse_root.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "shim/mounts.h"
#include "shim/plan.h"
#include "shim/sync.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEVICE   "/dev/fuse"
#define STAGE    "/tmp" /* where the program finds the layers, in its own mount namespace */
#define WRITABLE STAGE "/rw"
#define FUSE_FD  3
#define SAID_MAX 65536
#define END_MS   10000

/* --- the child --- */

int fuse_root_open(const struct plan_overlay *overlay, struct error *err)
{
	overlay->fds[0] = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (overlay->fds[0] >= 0)
		return 0;
	error_errno(err, errno, "mounts[0]: " DEVICE);
	return error_hint(err,
	                  "fuse-overlayfs needs it: sudo modprobe fuse, sudo chmod 0666 " DEVICE);
}

int fuse_root_make(const struct plan *plan, struct error *err)
{
	cleanup_close int context = tree_begin("fuse", err);
	int fuse = plan->overlay.fds[0];
	cleanup_close int tree = -1;
	char number[16];

	if (context < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", fuse);
	if (tree_param(context, "source", "fuse-overlayfs", err) < 0 ||
	    tree_param(context, "fd", number, err) < 0 ||
	    tree_param(context, "rootmode", "40000", err) < 0 ||
	    tree_param(context, "user_id", "0", err) < 0 ||
	    tree_param(context, "group_id", "0", err) < 0 ||
	    tree_param(context, "allow_other", NULL, err) < 0 ||
	    tree_param(context, "default_permissions", NULL, err) < 0)
		return -1;
	tree = tree_finish(context, plan->overlay.upper ? 0 : MOUNT_ATTR_RDONLY, err);
	if (tree < 0 || sync_send_fd(plan->sync, SYNC_ROOT, fuse, err) < 0)
		return -1;
	return take_fd(tree);
}

/* --- the program --- */

static int open_dir(const char *path, struct error *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

static int check_dir(const char *path, struct error *err)
{
	cleanup_close int fd = open_dir(path, err);

	return fd < 0 ? -1 : 0;
}

/* Still as the caller, so that directories below a 0700 home open. */
static int open_dirs(const struct plan_overlay *overlay, const char *writable, int *fds,
                     struct error *err)
{
	for (size_t i = 0; i < overlay->lower.len; i++) {
		fds[i] = open_dir(overlay->lower.items[i], err);
		if (fds[i] < 0)
			return error_wrap(err, "lowerdir");
	}
	if (!writable)
		return 0;
	if (check_dir(overlay->work, err) < 0)
		return error_wrap(err, "workdir");
	fds[overlay->lower.len] = open_dir(writable, err);
	if (fds[overlay->lower.len] < 0 || check_dir(overlay->upper, err) < 0)
		return error_wrap(err, "upperdir");
	return 0;
}

static int enter(const struct plan *plan, int userns, struct error *err)
{
	if (setns(userns, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "enter the user namespace");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "make a mount namespace");
	return 0;
}

static int take_ids(const struct plan *plan, struct error *err)
{
	if (!plan->maps_root)
		return 0;
	if (plan->exec.can_set_groups && setgroups(0, NULL) < 0)
		return error_errno(err, errno, "setgroups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, errno, "become root in the user namespace");
	return 0;
}

static int attach(int fd, const char *at, uint64_t attr, struct error *err)
{
	cleanup_close int tree = tree_clone(fd, "", true, err);
	cleanup_close int target = -1;

	if (tree < 0 || tree_set_attr(tree, attr, 0, 0, true, err) < 0)
		return -1;
	if (mkdir(at, 0700) < 0 || (target = open(at, O_PATH | O_CLOEXEC)) < 0)
		return error_errno(err, errno, "%s", at);
	return tree_attach(tree, target, err);
}

/* By paths that root of the namespace can walk, whose folder is the container's own alone. */
static int build_stage(const struct plan_overlay *overlay, const int *fds, struct error *err)
{
	cleanup_close int tree = tree_make("tmpfs", "tmpfs", NULL, 0, err);
	cleanup_close int stage = open(STAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char at[64];

	if (tree < 0)
		return -1;
	if (stage < 0)
		return error_errno(err, errno, STAGE);
	if (tree_attach(tree, stage, err) < 0)
		return -1;
	for (size_t i = 0; i < overlay->lower.len; i++) {
		snprintf(at, sizeof(at), STAGE "/%zu", i);
		if (attach(fds[i], at,
		           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		                   MOUNT_ATTR_NOEXEC,
		           err) < 0)
			return error_wrap(err, "lowerdir");
	}
	if (!overlay->upper)
		return 0;
	return attach(fds[overlay->lower.len], WRITABLE,
	              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
}

static char *make_options(const struct plan_overlay *overlay)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "lowerdir=");
	for (size_t i = 0; i < overlay->lower.len; i++)
		strbuf_addf(&text, "%s" STAGE "/%zu", i ? ":" : "", i);
	if (overlay->upper)
		strbuf_addf(&text, ",upperdir=" WRITABLE "/%s,workdir=" WRITABLE "/%s",
		            path_base(overlay->upper), path_base(overlay->work));
	return strbuf_detach(&text);
}

static int become(const struct plan *plan, int userns, int fuse, int said, struct error *err)
{
	const struct plan_overlay *overlay = &plan->overlay;
	cleanup_free char *options = make_options(overlay);
	cleanup_free char *writable = overlay->upper ? path_dir(overlay->upper) : NULL;
	cleanup_free int *fds = xcalloc(overlay->lower.len + 1, sizeof(int));
	char *argv[] = {(char *)(uintptr_t)overlay->program,
	                (char[]){"-f"},
	                (char[]){"-o"},
	                options,
	                (char[]){"/dev/fd/3"},
	                NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	proc_reset_signals();
	/* The terminal's signals are for the container. */
	setsid();
	if (dup2(said, STDERR_FILENO) < 0)
		return error_errno(err, errno, "dup2");
	if (enter(plan, userns, err) < 0 || open_dirs(overlay, writable, fds, err) < 0 ||
	    take_ids(plan, err) < 0 || build_stage(overlay, fds, err) < 0)
		return -1;
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    chdir("/") < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "prepare the program");
	if ((fuse == FUSE_FD ? fcntl(fuse, F_SETFD, 0) : dup2(fuse, FUSE_FD)) < 0)
		return error_errno(err, errno, "dup2");
	fd_close_from(FUSE_FD + 1);
	execv(overlay->program, argv);
	return error_errno(err, errno, "execute it");
}

int fuse_root_serve(const struct plan *plan, int userns, int fuse, struct fuse_server *ret,
                    struct error *err)
{
	cleanup(error_release) struct error failed = ERROR_INIT;

	ret->said = memfd_create("said", MFD_CLOEXEC);
	if (ret->said < 0)
		return error_errno(err, errno, "memfd_create");
	ret->pid = fork();
	if (ret->pid < 0) {
		ret->pid = 0;
		return error_errno(err, errno, "fork");
	}
	if (ret->pid > 0)
		return 0;
	become(plan, userns, fuse, ret->said, &failed);
	dprintf(STDERR_FILENO, "%s\n", failed.text);
	_exit(1);
}

/* --- its end --- */

static bool has_ended(const struct fuse_server *server, int wait_ms)
{
	cleanup_close int pidfd = pidfd_open(server->pid, 0);
	struct pollfd polled = {.fd = pidfd, .events = POLLIN};
	int n;

	if (pidfd < 0)
		return true;
	do
		n = poll(&polled, 1, wait_ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The last line that is no mere remark. */
static void last_word(int said, struct strbuf *word)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *rest, *line;

	if (lseek(said, 0, SEEK_SET) < 0 || fd_read_to_end(said, &text, SAID_MAX, &ignored) < 0)
		return;
	rest = text.buf;
	while ((line = strsep(&rest, "\n"))) {
		if (*line == '\0' || str_starts(line, "unknown argument ignored"))
			continue;
		strbuf_reset(word);
		strbuf_adds(word, line);
	}
}

void fuse_root_explain(const struct fuse_server *server, const struct plan *plan, struct error *err)
{
	cleanup(strbuf_release) struct strbuf word = STRBUF_INIT;

	/* What a mount answers whose program has gone. */
	if (server->pid <= 0 || (err->code != ENOTCONN && err->code != ECONNABORTED) ||
	    !has_ended(server, END_MS))
		return;
	last_word(server->said, &word);
	error_release(err);
	*err = (struct error)ERROR_INIT;
	error_set(err, ENOTCONN, "mounts[0]: %s: %s", plan->overlay.program,
	          word.len > 0 ? word.buf : "it ended");
}

void fuse_root_end(struct fuse_server *server)
{
	if (server->pid > 0 && !has_ended(server, END_MS))
		kill(server->pid, SIGKILL);
	while (server->pid > 0 && waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (server->pid > 0)
		close(server->said);
	server->pid = 0;
}
