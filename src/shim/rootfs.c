#include "shim/rootfs.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DIR_MODE  0755
#define FILE_MODE 0644
#define LINKS_MAX 40

static int resolve(int root, const char *path, int flags, mode_t mode, uint64_t extra)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra,
	};
	int fd;

	/* EAGAIN: a rename raced with ".."; the kernel asks to try again. */
	do
		fd = (int)syscall(SYS_openat2, root, *path ? path : "/", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

int rootfs_open(int root, const char *path, int flags, struct error *err)
{
	int fd = resolve(root, path, O_PATH | flags, 0, 0);

	return fd < 0 ? error_errno(err, errno, "open `%s` in the container", path) : fd;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Opens the directory of path's last part. */
static int open_parent(int root, const char *path)
{
	char parent[PATH_MAX];

	str_copy(parent, sizeof(parent), path);
	parent[last_part(path) - path] = '\0';
	return resolve(root, parent, O_PATH | O_DIRECTORY, 0, 0);
}

/*
 * Makes the directory `path`, whose parent exists.  Returns 1 when a dangling
 * symlink is in its place; `path` is then where it points, seen from the root.
 */
static int make_one(int root, char path[PATH_MAX], struct error *err)
{
	cleanup_close int parent = open_parent(root, path);
	char target[PATH_MAX];
	size_t prefix = (size_t)(last_part(path) - path);
	ssize_t len;

	if (parent < 0)
		return error_errno(err, errno, "open the directory of `%s`", path);
	if (mkdirat(parent, path + prefix, DIR_MODE) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "make directory `%s` in the container", path);
	len = readlinkat(parent, path + prefix, target, sizeof(target) - 1);
	if (len < 0)
		return 0; /* somebody made it meanwhile */
	target[len] = '\0';
	if (target[0] == '/')
		prefix = 0;
	if (!str_copy(path + prefix, PATH_MAX - prefix, target))
		return error_errno(err, ENAMETOOLONG, "symlink `%s` in the container", target);
	return 1;
}

/* Most often only the last part is missing; -1 where it is not so, without an error. */
static int make_last(int root, const char *path)
{
	cleanup_close int parent = -1;
	const char *name = last_part(path);

	if (!*name)
		return -1;
	parent = open_parent(root, path);
	if (parent < 0 || mkdirat(parent, name, DIR_MODE) < 0)
		return -1;
	return resolve(root, path, O_PATH | O_DIRECTORY, 0, 0);
}

int rootfs_make_dir(int root, const char *wanted, struct error *err)
{
	char path[PATH_MAX], rest[PATH_MAX];
	int links = 0, fd;

	if (!str_copy(path, sizeof(path), wanted))
		return error_errno(err, ENAMETOOLONG, "%s", wanted);
	fd = resolve(root, path, O_PATH | O_DIRECTORY, 0, 0);
	if (fd < 0 && errno == ENOENT)
		fd = make_last(root, path);
	if (fd >= 0)
		return fd;
	for (char *at = path;;) {
		bool is_last;
		int made = 0;

		at += strspn(at, "/");
		at += strcspn(at, "/");
		str_copy(rest, sizeof(rest), at);
		is_last = rest[strspn(rest, "/")] == '\0';
		*at = '\0';
		fd = resolve(root, path, O_PATH | O_DIRECTORY, 0, 0);
		if (fd < 0 && errno != ENOENT)
			return error_errno(err, errno, "open directory `%s` in the container",
			                   path);
		if (fd < 0)
			made = make_one(root, path, err);
		if (made < 0)
			return -1;
		if (made == 1 && ++links > LINKS_MAX)
			return error_errno(err, ELOOP, "`%s` in the container", wanted);
		if (fd >= 0 && is_last)
			return fd;
		if (fd >= 0)
			close(fd);
		/* After making or following, this part is looked at again. */
		if (fd < 0)
			at = made == 1 ? path : path + (last_part(path) - path);
		if (!str_copy(path + strlen(path), PATH_MAX - strlen(path), rest))
			return error_errno(err, ENAMETOOLONG, "%s", wanted);
	}
}

int rootfs_open_plain_dir(int root, const char *path, struct error *err)
{
	int fd = resolve(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);

	if (fd < 0 && errno == ENOENT) {
		fd = rootfs_make_dir(root, path, err);
		if (fd < 0)
			return -1;
		close(fd);
		fd = resolve(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return error_set(err, errno, "`%s` in the container must be a plain directory",
		                 path);
	return fd < 0 ? error_errno(err, errno, "open `%s` in the container", path) : fd;
}

int rootfs_make_parent(int root, const char *wanted, char name[NAME_MAX + 1], struct error *err)
{
	char path[PATH_MAX];
	size_t len;

	if (!str_copy(path, sizeof(path), wanted))
		return error_errno(err, ENAMETOOLONG, "%s", wanted);
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	if (!str_copy(name, NAME_MAX + 1, last_part(path)) || !*name || str_eq(name, "..") ||
	    str_eq(name, "."))
		return error_set(err, EINVAL, "`%s` does not name a file", wanted);
	path[last_part(path) - path] = '\0';
	return rootfs_make_dir(root, path, err);
}

int rootfs_make_file(int root, const char *path, struct error *err)
{
	cleanup_close int parent = -1, file = -1;
	char name[NAME_MAX + 1];
	int fd = resolve(root, path, O_PATH, 0, 0);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR)
		return error_errno(err, errno, "open `%s` in the container", path);
	parent = rootfs_make_parent(root, path, name, err);
	if (parent < 0)
		return -1;
	/* Through the root again: the last part may be a symlink that dangles inside. */
	file = resolve(root, path, O_CREAT | O_RDONLY | O_NONBLOCK | O_NOCTTY, FILE_MODE, 0);
	if (file < 0)
		return error_errno(err, errno, "make file `%s` in the container", path);
	fd = resolve(root, path, O_PATH, 0, 0);
	return fd < 0 ? error_errno(err, errno, "open `%s` in the container", path) : fd;
}
