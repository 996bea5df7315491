#include "shim/mounts.h"

#include "base/error.h"
#include "base/str.h"
#include "base/userns.h"
#include "shim/fuse_root.h"
#include "shim/plan.h"
#include "shim/rootfs.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static bool is_type(const struct spec_mount *mount, const char *type)
{
	return !mount->options.bind && str_eq_null(mount->type, type);
}

static int open_dir(const char *path, struct error *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "%s", path) : fd;
}

static int open_overlay(const struct plan_overlay *overlay, struct error *err)
{
	size_t n = 0;

	if (overlay->program)
		return fuse_root_open(overlay, err);
	for (; n < overlay->lower.len; n++) {
		overlay->fds[n] = open_dir(overlay->lower.items[n], err);
		if (overlay->fds[n] < 0)
			return error_wrap(err, "mounts[0]: lowerdir");
	}
	if (!overlay->upper)
		return 0;
	overlay->fds[n] = open_dir(overlay->upper, err);
	if (overlay->fds[n] < 0)
		return error_wrap(err, "mounts[0]: upperdir");
	overlay->fds[n + 1] = open_dir(overlay->work, err);
	return overlay->fds[n + 1] < 0 ? error_wrap(err, "mounts[0]: workdir") : 0;
}

unsigned long mounts_propagation(const struct plan *plan)
{
	return plan->spec->propagation & (MS_SHARED | MS_SLAVE) ? MS_SLAVE : MS_PRIVATE;
}

int mounts_open_sources(const struct plan *plan, int *ret_rootfs, struct error *err)
{
	const struct spec *spec = plan->spec;
	int rootfs;

	/* Before the clones: what is mounted here must not reach the host. */
	if (plan->owns_mounts &&
	    mount(NULL, "/", NULL, MS_REC | mounts_propagation(plan), NULL) < 0) {
		error_errno(err, errno, "make all mounts private");
		/* With AppArmor's restriction the namespace is made, but powerless. */
		if (plan->has_new_userns)
			userns_explain(err->code, err);
		return -1;
	}
	rootfs = open_dir(plan->rootfs, err);
	if (rootfs < 0)
		return error_wrap(err, "root.path");
	*ret_rootfs = rootfs;
	if (plan->overlay.is_set && open_overlay(&plan->overlay, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->mounts.len; i++) {
		const struct spec_mount *mount = &spec->mounts.items[i];

		if (!mount->options.bind || mount->options.idmap)
			continue;
		/* The clone is made when its turn comes: the kernel lists mounts by age. */
		plan->trees[i] = open(mount->source, O_PATH | O_CLOEXEC);
		if (plan->trees[i] < 0)
			return error_errno(err, errno, "mounts[%zu]: open `%s` to mount it", i,
			                   mount->source);
	}
	return 0;
}

/*
 * A value of fsconfig(2) has at most 255 bytes.  Inside /proc/self/fd a
 * directory's name is its number, which makes room for some 80 layers; more of
 * them go one by one, which Linux 6.8 has.
 */
static int set_lower_dirs(const struct plan_overlay *overlay, int context, struct error *err)
{
	char text[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < overlay->lower.len && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d", i ? ":" : "",
		                        overlay->fds[i]);
	if (len < sizeof(text))
		return tree_param(context, "lowerdir", text, err);
	for (size_t i = 0; i < overlay->lower.len; i++) {
		snprintf(text, sizeof(text), "%d", overlay->fds[i]);
		if (tree_param(context, "lowerdir+", text, err) < 0)
			return error_hint(err, "%zu layers need Linux 6.8", overlay->lower.len);
	}
	return 0;
}

static int set_overlay_dirs(const struct plan_overlay *overlay, int context, struct error *err)
{
	size_t n = overlay->lower.len;
	char text[16];

	if (set_lower_dirs(overlay, context, err) < 0)
		return -1;
	if (!overlay->upper)
		return 0;
	snprintf(text, sizeof(text), "%d", overlay->fds[n]);
	if (tree_param(context, "upperdir", text, err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%d", overlay->fds[n + 1]);
	return tree_param(context, "workdir", text, err);
}

static int make_overlay(const struct plan_overlay *overlay, struct error *err)
{
	cleanup_close int context = tree_begin("overlay", err);
	char key[64];
	int tree;

	if (context < 0)
		return -1;
	if (chdir("/proc/self/fd") < 0)
		return error_errno(err, errno, "/proc/self/fd");
	if (set_overlay_dirs(overlay, context, err) < 0)
		return -1;
	for (size_t i = 0; i < overlay->rest.len; i++) {
		const char *word = overlay->rest.items[i], *equals = strchr(word, '=');

		if (!str_copy(key, sizeof(key), word) && !equals)
			return error_set(err, EINVAL, "option `%s` is too long", word);
		key[strcspn(key, "=")] = '\0';
		if (tree_param(context, key, equals ? equals + 1 : NULL, err) < 0)
			return -1;
	}
	tree = tree_finish(context, 0, err);
	if (chdir("/") < 0)
		return error_errno(err, errno, "chdir");
	if (tree < 0 && (err->code == EPERM || err->code == ENODEV || err->code == EINVAL))
		error_hint(err, "the kernel must allow overlayfs in a user namespace, and on the "
		                "file system of the layers, which must not be a stack of overlays "
		                "itself");
	return tree;
}

/*
 * In a mount namespace that is not ours nothing may change.  There the root file system is never
 * attached: the container's mounts are a tree without a place, which is gone with its processes.
 * What is cloned for it must not be a peer of the original, which would get our mounts, too.
 */
static int clone_apart(const struct plan *plan, int from, bool recursive, struct error *err)
{
	cleanup_close int tree = tree_clone(from, "", recursive, err);

	if (tree < 0 || (!plan->owns_mounts &&
	                 tree_set_attr(tree, 0, 0, mounts_propagation(plan), true, err) < 0))
		return -1;
	return take_fd(tree);
}

int mounts_make_root(const struct plan *plan, int rootfs, struct error *err)
{
	unsigned long propagation = plan->spec->propagation;
	cleanup_close int tree = -1;

	if (plan->overlay.is_set) {
		tree = plan->overlay.program ? fuse_root_make(plan, err)
		                             : make_overlay(&plan->overlay, err);
		if (tree < 0)
			return error_wrap(err, "mounts[0]: %s", plan->spec->mounts.items[0].type);
		for (int *fd = plan->overlay.fds; *fd >= 0; fd++)
			close(*fd);
	} else {
		tree = clone_apart(plan, rootfs, true, err);
		if (tree < 0)
			return error_wrap(err, "root.path");
		/* No cgroup rules guard a user namespace; a node in the image is not to be used. */
		if (plan->spec->ns[NS_USER].is_set &&
		    tree_set_attr(tree, MOUNT_ATTR_NODEV, 0, 0, false, err) < 0)
			return error_wrap(err, "root.path");
	}
	if (plan->owns_mounts && tree_attach(tree, rootfs, err) < 0)
		return error_wrap(err, "mount the root file system on %s", plan->rootfs);
	/* pivot_root(2) wants no shared mount: that comes after it. */
	if (propagation && !(propagation & MS_SHARED) &&
	    tree_set_attr(tree, 0, 0, propagation & ~(unsigned long)MS_REC, propagation & MS_REC,
	                  err) < 0)
		return error_wrap(err, "linux.rootfsPropagation");
	return take_fd(tree);
}

/* Where a namespace is not ours the host's mount is shown instead, read-only. */
static int make_or_bind(const struct plan *plan, const struct spec_mount *mount, const char *host,
                        struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	int tree = tree_make(mount->type, mount->source, &mount->options.data, 0, &why);
	cleanup_close int dir = -1;

	if (tree >= 0 || (why.code != EPERM && why.code != EBUSY))
		return tree >= 0 ? tree : error_move(err, &why);
	dir = open_dir(host, err);
	tree = dir < 0 ? -1 : clone_apart(plan, dir, true, err);
	if (tree >= 0 && tree_set_attr(tree, MOUNT_ATTR_RDONLY, 0, 0, true, err) < 0) {
		close(tree);
		return -1;
	}
	return tree;
}

static int make_tree(const struct plan *plan, size_t i, int root, struct error *err)
{
	const struct spec_mount *mount = &plan->spec->mounts.items[i];
	cleanup_close int source = -1;

	if (mount->options.idmap)
		return plan->trees[i];
	source = mount->options.bind ? plan->trees[i] : -1;
	if (mount->options.bind)
		return clone_apart(plan, source, mount->options.recursive, err);
	if (is_type(mount, "sysfs"))
		return make_or_bind(plan, mount, "/sys", err);
	if (is_type(mount, "mqueue"))
		return make_or_bind(plan, mount, "/dev/mqueue", err);
	return tree_make(mount->type, mount->source, &mount->options.data, 0, err);
}

static int open_target(const struct spec_mount *mount, int tree, int root, struct error *err)
{
	struct stat st;

	/* What is written to these later is the kernel's: no symlink may stand in for them. */
	if (is_type(mount, "proc") || is_type(mount, "sysfs"))
		return rootfs_open_plain_dir(root, mount->destination, err);
	if (fstat(tree, &st) < 0)
		return error_errno(err, errno, "stat");
	return S_ISDIR(st.st_mode) ? rootfs_make_dir(root, mount->destination, err)
	                           : rootfs_make_file(root, mount->destination, err);
}

static int check_no_replacement(int target, struct error *err)
{
	struct statfs fs;

	if (fstatfs(target, &fs) < 0)
		return error_errno(err, errno, "statfs");
	/* A fake /proc would take what is written to /proc. */
	if (fs.f_type == PROC_SUPER_MAGIC)
		return error_set(err, EPERM, "nothing may be mounted inside /proc");
	return 0;
}

static bool may_lie_in_proc(const struct spec_mount *mount)
{
	static const char *const harmless[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
		"/proc/sys/fs/binfmt_misc",
	};

	if (is_type(mount, "proc"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (str_eq(mount->destination, harmless[i]))
			return true;
	return false;
}

static int attach_one(const struct plan *plan, size_t i, int root, struct error *err)
{
	const struct spec_mount *mount = &plan->spec->mounts.items[i];
	const struct mount_options *options = &mount->options;
	cleanup_close int target = -1;

	plan->trees[i] = make_tree(plan, i, root, err);
	if (plan->trees[i] < 0)
		return -1;
	target = open_target(mount, plan->trees[i], root, err);
	if (target < 0 || (!may_lie_in_proc(mount) && check_no_replacement(target, err) < 0))
		return -1;
	if (options->copy_up && mount_copy_up(target, plan->trees[i], err) < 0)
		return error_wrap(err, "tmpcopyup");
	if (tree_set_attr(plan->trees[i], options->attr_set & ~(uint64_t)MOUNT_ATTR_RDONLY,
	                  options->attr_clear, options->propagation, options->propagation_all,
	                  err) < 0)
		return -1;
	return tree_attach(plan->trees[i], target, err);
}

int mounts_apply(const struct plan *plan, int root, struct error *err)
{
	const struct spec *spec = plan->spec;

	for (size_t i = plan->overlay.is_set ? 1 : 0; i < spec->mounts.len; i++) {
		const struct spec_mount *mount = &spec->mounts.items[i];
		int done;

		if (is_type(mount, "cgroup") || is_type(mount, "cgroup2"))
			done = cgroup_mount(plan, mount, root, err);
		else
			done = attach_one(plan, i, root, err);
		if (done < 0)
			return error_wrap(err, "mounts[%zu]: mount `%s`", i, mount->destination);
	}
	return 0;
}

static int mask_path(const char *path, int root, int *empty, struct error *err)
{
	cleanup(error_release) struct error missing = ERROR_INIT;
	cleanup_close int target = rootfs_open(root, path, 0, &missing);
	cleanup_close int tree = -1;
	struct stat st;

	if (target < 0)
		return missing.code == ENOENT || missing.code == ENOTDIR
		               ? 0
		               : error_move(err, &missing);
	if (fstat(target, &st) < 0)
		return error_errno(err, errno, "stat");
	if (!S_ISDIR(st.st_mode)) {
		tree = devices_null_tree(err);
	} else if (*empty < 0) {
		*empty = tree_make("tmpfs", "tmpfs", NULL, MOUNT_ATTR_RDONLY, err);
		return *empty < 0 ? -1 : tree_attach(*empty, target, err);
	} else {
		tree = tree_clone(*empty, "", false, err);
	}
	return tree < 0 ? -1 : tree_attach(tree, target, err);
}

static int protect_path(const char *path, int root, struct error *err)
{
	cleanup(error_release) struct error missing = ERROR_INIT;
	cleanup_close int target = rootfs_open(root, path, 0, &missing);
	cleanup_close int tree = -1;

	if (target < 0)
		return missing.code == ENOENT || missing.code == ENOTDIR
		               ? 0
		               : error_move(err, &missing);
	tree = tree_clone(target, "", true, err);
	if (tree < 0 || tree_set_attr(tree, MOUNT_ATTR_RDONLY, 0, 0, true, err) < 0)
		return -1;
	return tree_attach(tree, target, err);
}

int mounts_finish_one(const struct plan *plan, const struct mount_options *options, int tree,
                      struct error *err)
{
	uint64_t own = options->attr_set & MOUNT_ATTR_RDONLY;
	cleanup_close int copy = -1;
	int to = tree;

	if (!own && !options->attr_set_all && !options->attr_clear_all)
		return 0;
	/* In a tree that is not attached only the topmost can be changed: a copy on top, then. */
	if (!plan->owns_mounts)
		to = copy = tree_clone(tree, "", true, err);
	if (to < 0 || tree_set_attr(to, own, 0, 0, false, err) < 0 ||
	    tree_set_attr(to, options->attr_set_all, options->attr_clear_all, 0, true, err) < 0)
		return -1;
	return to == tree ? 0 : tree_attach(copy, tree, err);
}

static int finish_attributes(const struct plan *plan, struct error *err)
{
	const struct spec *spec = plan->spec;

	size_t first = plan->overlay.is_set ? 1 : 0;

	for (size_t n = first; n < spec->mounts.len; n++) {
		/* Copies are made from the last, which may lie in one that came before. */
		size_t i = plan->owns_mounts ? n : spec->mounts.len - 1 - (n - first);
		int tree = plan->trees[i];

		if (tree < 0)
			continue;
		if (mounts_finish_one(plan, &spec->mounts.items[i].options, tree, err) < 0)
			return error_wrap(err, "mounts[%zu]: mount `%s`", i,
			                  spec->mounts.items[i].destination);
		close(tree);
		plan->trees[i] = -1;
	}
	return 0;
}

int mounts_finish(const struct plan *plan, int root, struct error *err)
{
	const struct spec *spec = plan->spec;
	cleanup_close int empty = -1;

	if (finish_attributes(plan, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->readonly_paths.len; i++)
		if (protect_path(spec->readonly_paths.items[i], root, err) < 0)
			return error_wrap(err, "linux.readonlyPaths[%zu]: `%s`", i,
			                  spec->readonly_paths.items[i]);
	for (size_t i = 0; i < spec->masked_paths.len; i++)
		if (mask_path(spec->masked_paths.items[i], root, &empty, err) < 0)
			return error_wrap(err, "linux.maskedPaths[%zu]: `%s`", i,
			                  spec->masked_paths.items[i]);
	if (spec->root_readonly && tree_set_attr(root, MOUNT_ATTR_RDONLY, 0, 0, false, err) < 0)
		return error_wrap(err, "root.readonly");
	return 0;
}

static int move_root(int root, struct error *err)
{
	if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "--no-pivot: move the root file system");
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "--no-pivot: chroot");
	return 0;
}

/* What is above it in the tree is nothing, so that a second chroot finds no way out, either. */
static int enter_apart(const struct plan *plan, int root, struct error *err)
{
	if (plan->spec->propagation & MS_SHARED &&
	    tree_set_attr(root, 0, 0, MS_SHARED, false, err) < 0)
		return error_wrap(err, "linux.rootfsPropagation");
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "enter the root file system");
	return 0;
}

int mounts_enter_root(const struct plan *plan, int root, struct error *err)
{
	cleanup_close int host = -1;

	if (!plan->owns_mounts)
		return enter_apart(plan, root, err);
	if (plan->no_pivot)
		return move_root(root, err);
	host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host < 0 || fchdir(root) < 0)
		return error_errno(err, errno, "enter the root file system");
	/* Stacks the old root on the new one, so that no directory is needed for it. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, errno, "pivot_root");
	if (fchdir(host) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return error_errno(err, errno, "detach the host's root");
	if (fchdir(root) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "enter the root file system");
	if (plan->spec->propagation & MS_SHARED && mount(NULL, "/", NULL, MS_SHARED, NULL) < 0)
		return error_errno(err, errno, "linux.rootfsPropagation");
	return 0;
}
