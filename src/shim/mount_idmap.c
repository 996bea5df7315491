#include "shim/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "shim/idmap.h"
#include "shim/plan.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A namespace lives as long as its descriptor; its only process ends at once. */
static int make_userns(const struct spec_mount *mount, struct error *err)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	int hold[2], userns = -1;
	char path[64];
	pid_t pid;

	if (fd_pipe(hold, err) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(hold[1]);
		/* Until the other end is closed, be it by our death. */
		_exit(read(hold[0], path, 1) < 0);
	}
	close(hold[0]);
	if (pid < 0) {
		error_errno(err, errno, "make a user namespace");
	} else if (idmap_write(&mount->uid_map, &mount->gid_map, pid, err) == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		userns = open(path, O_RDONLY | O_CLOEXEC);
		if (userns < 0)
			error_errno(err, errno, "%s", path);
	}
	close(hold[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return userns;
}

/* The mount's own maps, else those of the container. */
static int open_userns(const struct plan *plan, const struct spec_mount *mount, int joined,
                       struct error *err)
{
	struct spec_mount of_container = {
		.uid_map = plan->spec->uid_map,
		.gid_map = plan->spec->gid_map,
	};
	int fd;

	if (mount->uid_map.len > 0)
		return make_userns(mount, err);
	if (plan->has_new_userns)
		return make_userns(&of_container, err);
	if (joined < 0)
		return error_set(err, ERR_CONFIG,
		                 "needs uidMappings and gidMappings, or a user namespace");
	fd = fcntl(joined, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? error_errno(err, errno, "fcntl") : fd;
}

static int make_mapped(const struct plan *plan, const struct spec_mount *mount, int joined,
                       struct error *err)
{
	const struct mount_options *options = &mount->options;
	cleanup_close int userns = open_userns(plan, mount, joined, err);
	cleanup_close int tree = -1;

	if (userns < 0)
		return -1;
	tree = tree_clone(AT_FDCWD, mount->source, options->recursive, err);
	/* It comes from the host's mounts: as in mounts_open_sources(), nothing goes back there. */
	if (tree < 0 || tree_set_attr(tree, 0, 0, mounts_propagation(plan), true, err) < 0 ||
	    tree_map_ids(tree, userns, options->idmap_all, err) < 0)
		return -1;
	return take_fd(tree);
}

int mounts_map_ids(const struct plan *plan, int joined, struct error *err)
{
	const struct spec *spec = plan->spec;

	for (size_t i = 0; i < spec->mounts.len; i++) {
		const struct spec_mount *mount = &spec->mounts.items[i];

		if (!mount->options.idmap)
			continue;
		plan->trees[i] = make_mapped(plan, mount, joined, err);
		if (plan->trees[i] >= 0)
			continue;
		error_wrap(err, "mounts[%zu]: id-mapped mount of `%s`", i, mount->source);
		if (err->code == EPERM)
			error_hint(err, "only who has mounted a file system can map its ids: root, "
			                "for those of the host");
		else if (err->code == EINVAL)
			error_hint(err, "its file system does not allow it, or its ids are mapped "
			                "already");
		return -1;
	}
	return 0;
}
