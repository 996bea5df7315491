#include "shim/mounts.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/plan.h"
#include "shim/rootfs.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct spec_device defaults[] = {
	{"/dev/null", S_IFCHR, 0666, 1, 3, 0, 0},    {"/dev/zero", S_IFCHR, 0666, 1, 5, 0, 0},
	{"/dev/full", S_IFCHR, 0666, 1, 7, 0, 0},    {"/dev/random", S_IFCHR, 0666, 1, 8, 0, 0},
	{"/dev/urandom", S_IFCHR, 0666, 1, 9, 0, 0}, {"/dev/tty", S_IFCHR, 0666, 5, 0, 0, 0},
};

static const struct {
	const char *name, *target;
	const char *needs; /* made only when the host has this */
} links[] = {
	{"fd", "/proc/self/fd", NULL},          {"stdin", "/proc/self/fd/0", NULL},
	{"stdout", "/proc/self/fd/1", NULL},    {"stderr", "/proc/self/fd/2", NULL},
	{"core", "/proc/kcore", "/proc/kcore"}, {"ptmx", "pts/ptmx", NULL},
};

static bool is_node(const struct stat *st, const struct spec_device *device)
{
	return (st->st_mode & S_IFMT) == device->type &&
	       (device->type == S_IFIFO || st->st_rdev == makedev(device->major, device->minor));
}

/* The host's node, by a descriptor that has been checked to be the device and nothing else. */
static int clone_node(const struct spec_device *device, struct error *err)
{
	cleanup_close int tree = tree_clone(AT_FDCWD, device->path, false, err);
	struct stat st;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return error_errno(err, errno, "stat");
	if (!is_node(&st, device))
		return error_set(err, ENXIO, "`%s` of the host is not device %u:%u", device->path,
		                 device->major, device->minor);
	return take_fd(tree);
}

int devices_null_tree(struct error *err)
{
	return clone_node(&defaults[0], err);
}

/* In the place of `name` itself: a symlink of the image could lead into /proc (CVE-2025-52565). */
static int bind_on(int tree, int dir, const char *name, struct error *err)
{
	cleanup_close int target = -1;
	struct stat st;

	/* move_mount(2) follows no symlink at the end either. */
	if (mknodat(dir, name, S_IFREG | 0644, 0) == 0)
		return move_mount(tree, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0
		               ? error_errno(err, errno, "move_mount")
		               : 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "make file `%s` in the container", name);
	target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 || fstat(target, &st) < 0)
		return error_errno(err, errno, "open `%s` in the container", name);
	if (S_ISLNK(st.st_mode))
		return error_set(err, ELOOP, "`%s` in the container must not be a symlink", name);
	return tree_attach(tree, target, err);
}

static int bind_node(const struct spec_device *device, int dir, const char *name, struct error *err)
{
	cleanup_close int tree = clone_node(device, err);

	/* A device is no program; what its mount is good for is said. */
	if (tree < 0 ||
	    tree_set_attr(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0, false, err) < 0)
		return -1;
	return bind_on(tree, dir, name, err);
}

static int make_node(const struct spec_device *device, int dir, const char *name, struct error *err)
{
	dev_t number = makedev(device->major, device->minor);

	if (mknodat(dir, name, device->type | device->mode, number) < 0)
		return error_errno(err, errno, "make node `%s`", device->path);
	/* Whoever makes it is root here. */
	if ((device->uid || device->gid) &&
	    fchownat(dir, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "chown `%s`", device->path);
	return 0;
}

/* In the directory that holds it. */
static int add_node(const struct plan *plan, const struct spec_device *device, int dir,
                    const char *name, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	struct stat st;

	/* A user namespace may make fifos, but no devices. */
	if (!plan->has_new_userns || device->type == S_IFIFO) {
		if (make_node(device, dir, name, &why) == 0)
			return 0;
		if (why.code != EEXIST && (why.code != EPERM || device->type == S_IFIFO))
			return error_move(err, &why);
	}
	/* Where the root file system is in a user namespace its own nodes are dead. */
	if (!plan->spec->ns[NS_USER].is_set && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_node(&st, device))
		return 0;
	return bind_node(device, dir, name, err);
}

static int add_device(const struct plan *plan, size_t i, int root, struct error *err)
{
	const struct spec_device *device = &plan->spec->devices.items[i];
	char name[NAME_MAX + 1];
	cleanup_close int dir = rootfs_make_parent(root, device->path, name, err);

	if (dir < 0)
		return -1;
	return plan->nodes[i] >= 0 ? bind_on(plan->nodes[i], dir, name, err)
	                           : add_node(plan, device, dir, name, err);
}

static int add_link(const char *name, const char *target, int dir, struct error *err)
{
	struct stat st;

	/* An image's own node or link of that name is its business, but ptmx must be ours. */
	if (str_eq(name, "ptmx") && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISCHR(st.st_mode) && unlinkat(dir, name, 0) < 0)
		return error_errno(err, errno, "remove `/dev/%s`", name);
	if (symlinkat(target, dir, name) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make symlink `/dev/%s`", name);
	return 0;
}

/* A /dev that is the host's, or another's, is left alone. */
static bool is_dev_foreign(const struct plan *plan)
{
	array_foreach(mount, &plan->spec->mounts)
		if (mount->options.bind &&
		    (str_eq(mount->destination, "/dev") || str_eq(mount->destination, "/dev/")))
			return true;
	return false;
}

static bool is_configured(const struct spec *spec, const char *path)
{
	array_foreach(device, &spec->devices)
		if (str_eq(device->path, path))
			return true;
	return false;
}

int devices_make(const struct plan *plan, int root, struct error *err)
{
	const struct spec *spec = plan->spec;
	cleanup_close int dev = -1;

	if (is_dev_foreign(plan))
		return 0;
	dev = rootfs_make_dir(root, "/dev", err);
	if (dev < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (!is_configured(spec, defaults[i].path) &&
		    add_node(plan, &defaults[i], dev, defaults[i].path + strlen("/dev/"), err) < 0)
			return error_wrap(err, "device `%s`", defaults[i].path);
	for (size_t i = 0; i < spec->devices.len; i++)
		if (add_device(plan, i, root, err) < 0)
			return error_wrap(err, "linux.devices: `%s`", spec->devices.items[i].path);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (links[i].needs && access(links[i].needs, F_OK) < 0)
			continue;
		if (add_link(links[i].name, links[i].target, dev, err) < 0)
			return -1;
	}
	return 0;
}

int devices_console(int root, int terminal, struct error *err)
{
	cleanup_close int tree = tree_clone(terminal, "", false, err);
	cleanup_close int dev = -1;

	if (tree < 0)
		return -1;
	dev = rootfs_make_dir(root, "/dev", err);
	if (dev < 0 || bind_on(tree, dev, "console", err) < 0)
		return error_wrap(err, "/dev/console");
	return 0;
}
