#include "oci/merged_tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define DEPTH_MAX  128
#define LINKS_MAX  16
#define CHUNK      (1 << 20)
#define XATTRS_MAX 4096
#define XATTR_MAX  4096

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int dir)
{
	char value[8];

	return fgetxattr(dir, "user.overlay.opaque", value, sizeof(value)) > 0;
}

/* --- the copy --- */

static int set_attributes(int fd, const struct stat *st, struct error *err)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};

	/* With one id only there is nobody else it could belong to. */
	if (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM && errno != EINVAL)
		return error_errno(err, errno, "chown");
	if (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return error_errno(err, errno, "chmod");
	return 0;
}

static int copy_bytes(int from, int to, struct error *err)
{
	ssize_t n;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	do
		n = sendfile(to, from, NULL, CHUNK);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? error_errno(err, errno, "copy") : 0;
}

/* Capabilities of programs among them.  What overlayfs has noted is not the file's. */
static int copy_xattrs(int from, int to, struct error *err)
{
	char names[XATTRS_MAX], value[XATTR_MAX];
	ssize_t len = flistxattr(from, names, sizeof(names));

	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t size;

		if (str_starts(name, "user.overlay.") || str_starts(name, "system."))
			continue;
		size = fgetxattr(from, name, value, sizeof(value));
		/* One that this file system has not, or that is not ours to set, is left out. */
		if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0 &&
		    errno != EPERM && errno != ENOTSUP)
			return error_errno(err, errno, "set %s", name);
	}
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct error *err)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_close int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		return error_errno(err, errno, "copy");
	if (copy_bytes(in, out, err) < 0 || set_attributes(out, st, err) < 0)
		return -1;
	/* After the owner, whose change takes capabilities away. */
	return copy_xattrs(in, out, err);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct error *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);

	if (len < 0)
		return error_errno(err, errno, "read symlink");
	target[len] = '\0';
	if (symlinkat(target, to, name) < 0)
		return error_errno(err, errno, "symlink");
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM &&
	    errno != EINVAL)
		return error_errno(err, errno, "chown");
	return 0;
}

static int copy_fifo(int to, const char *name, const struct stat *st, struct error *err)
{
	if (mkfifoat(to, name, 0600) < 0 || fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return error_errno(err, errno, "make a pipe");
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM &&
	    errno != EINVAL)
		return error_errno(err, errno, "chown");
	return 0;
}

static int merge_dir(int from, int to, int depth, struct error *err);

/* What a lower layer has in the place of a folder goes; a folder stays, and is merged into. */
static int merge_subdir(int from, int to, const char *name, const struct stat *st, int depth,
                        struct error *err)
{
	cleanup_close int in = openat(from, name, DIR_FLAGS);
	cleanup_close int out = -1;
	struct stat there;

	if (in < 0)
		return error_errno(err, errno, "open");
	if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!S_ISDIR(there.st_mode) || is_opaque(in)) && fs_remove_tree(to, name, err) < 0)
		return -1;
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "mkdir");
	out = openat(to, name, DIR_FLAGS);
	if (out < 0)
		return error_errno(err, errno, "open");
	return merge_dir(in, out, depth + 1, err) < 0 ? -1 : set_attributes(out, st, err);
}

static int merge_entry(int from, int to, const char *name, int depth, struct error *err)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "stat");
	if (S_ISDIR(st.st_mode))
		return merge_subdir(from, to, name, &st, depth, err);
	if (fs_remove_tree(to, name, err) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st, err);
	if (S_ISFIFO(st.st_mode))
		return copy_fifo(to, name, &st, err);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, &st, err) : 0;
}

static int merge_dir(int from, int to, int depth, struct error *err)
{
	cleanup(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(from, ".", DIR_FLAGS);

	if (depth > DEPTH_MAX)
		return error_set(err, ELOOP, "more than %d folders deep", DEPTH_MAX);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "read a folder");
	while ((entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
		    merge_entry(from, to, entry->d_name, depth, err) < 0)
			return error_wrap(err, "%s", entry->d_name);
	return 0;
}

static int clear_dir(int to, struct error *err)
{
	cleanup(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(to, ".", DIR_FLAGS);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "read a folder");
	while ((entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
		    fs_remove_tree(to, entry->d_name, err) < 0)
			return -1;
	return 0;
}

/* --- one layer --- */

enum seen { SEEN_NOTHING, SEEN_DIR, SEEN_LINK, SEEN_OTHER };

struct sight {
	enum seen what;
	bool hides; /* what lower layers have there does not count */
	char *link; /* SEEN_LINK: where it leads; owned */
	size_t len; /* … and how much of the path it stands for */
};

static int look_at(int layer, const char *part, size_t len, struct sight *ret)
{
	cleanup_close int fd = openat(layer, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int dir = -1;
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	ret->what = SEEN_NOTHING;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		dir = openat(layer, part, DIR_FLAGS);
		ret->hides |= dir >= 0 && is_opaque(dir);
		ret->what = SEEN_DIR;
		return 0;
	}
	ret->hides = true;
	ret->what = is_whiteout(&st) ? SEEN_NOTHING : SEEN_OTHER;
	n = S_ISLNK(st.st_mode) ? readlinkat(fd, "", target, sizeof(target) - 1) : -1;
	if (n < 0)
		return -1;
	target[n] = '\0';
	ret->what = SEEN_LINK;
	ret->link = xstrdup(target);
	ret->len = len;
	return -1;
}

/* One part after the other, so that no symlink of the layer is followed. */
static void look(int layer, const char *path, struct sight *ret)
{
	*ret = (struct sight){.what = SEEN_DIR};
	if (str_eq(path, "/"))
		return;
	for (const char *at = path; *at;) {
		cleanup_free char *part = NULL;

		at++;
		at += strcspn(at, "/");
		part = xstrndup(path + 1, (size_t)(at - path - 1));
		if (look_at(layer, part, (size_t)(at - path), ret) < 0)
			return;
	}
}

/* The path that symlinks lead to: the uppermost layer that has a part of it decides. */
static char *resolve(const int *layers, size_t count, const char *path)
{
	cleanup_free char *at = xstrdup(path);

	for (int links = 0; links < LINKS_MAX; links++) {
		struct sight sight = {0};
		cleanup_free char *parent = NULL, *dir = NULL, *target = NULL;

		for (size_t i = count; i-- > 0;) {
			look(layers[i], at, &sight);
			if (sight.what != SEEN_NOTHING || sight.hides)
				break;
		}
		if (sight.what != SEEN_LINK)
			return take_ptr(at);
		parent = xstrndup(at, sight.len);
		dir = path_dir(parent);
		target = xasprintf("%s%s", sight.link, at + sight.len);
		free(sight.link);
		free(at);
		at = path_absolute(dir, target);
	}
	return take_ptr(at);
}

static int apply(int layer, const char *path, int to, bool *has, struct error *err)
{
	cleanup_close int from = -1;
	struct sight sight;
	struct stat st;

	look(layer, path, &sight);
	free(sight.link);
	if (sight.hides && clear_dir(to, err) < 0)
		return -1;
	*has &= !sight.hides;
	if (sight.what != SEEN_DIR)
		return 0;
	from = fs_open_beneath(layer, path[1] ? path + 1 : ".", DIR_FLAGS, 0, err);
	if (from < 0 || fstat(from, &st) < 0)
		return error_errno(err, errno, "open");
	*has = true;
	return merge_dir(from, to, 0, err) < 0 ? -1 : set_attributes(to, &st, err);
}

void merged_layers_release(struct merged_layers *layers)
{
	for (size_t i = 0; i < layers->count; i++)
		close_fd(&layers->fds[i]);
	free(layers->fds);
	*layers = (struct merged_layers){0};
}

int merged_layers_open(const struct store *store, const struct image *image,
                       struct merged_layers *ret, struct error *err)
{
	*ret = (struct merged_layers){.fds = xcalloc(image->diff_ids.len + 1, sizeof(int))};
	for (size_t i = 0; i < image->diff_ids.len; i++) {
		int fd = store_open_layer(store, image->diff_ids.items[i], err);

		if (fd < 0) {
			merged_layers_release(ret);
			return -1;
		}
		ret->fds[ret->count++] = fd;
	}
	return 0;
}

int merged_tree_copy(const struct merged_layers *layers, const char *path, int to,
                     struct error *err)
{
	cleanup_free char *real = resolve(layers->fds, layers->count, path);
	bool has = false;

	for (size_t i = 0; i < layers->count; i++)
		if (apply(layers->fds[i], real, to, &has, err) < 0)
			return error_wrap(err, "%s of the image", path);
	return has;
}
