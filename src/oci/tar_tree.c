#include "oci/tar_tree.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>

struct tree {
	struct tar_writer *tar;
	const struct tar_tree_options *options;
	const char *path, *name; /* of the root: the prefix to take off, and the one to put on */
	struct strv paths;       /* gathered for TAR_TREE_PATHS, relative to the root */
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int list_names(const char *path, struct strv *names, struct error *err)
{
	cleanup(close_dir) DIR *dir = opendir(path);

	if (!dir)
		return error_errno(err, errno, "%s", path);
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			return error_errno(err, errno, "%s", path);
		if (!entry)
			break;
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			strv_add(names, entry->d_name);
	}
	strv_sort(names);
	return 0;
}

static int add_file(struct tar_writer *tar, const char *path, struct tar_entry *entry,
                    struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EAGAIN, "%s was replaced while it was read", path);
	entry->type = TAR_FILE;
	entry->size = st.st_size;
	return tar_writer_file(tar, entry, fd, err);
}

static int add_symlink(struct tar_writer *tar, const char *path, struct tar_entry *entry,
                       struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return error_errno(err, errno, "%s", path);
	target[n] = '\0';
	entry->type = TAR_SYMLINK;
	entry->target = target;
	entry->mode = 0777;
	return tar_writer_entry(tar, entry, err);
}

static uint32_t plain_mode(mode_t mode)
{
	return S_ISDIR(mode) || (mode & 0111) ? 0755 : 0644;
}

static int add_one(const struct tree *tree, const char *path, const char *name,
                   const struct stat *st, struct error *err)
{
	const struct tar_tree_options *options = tree->options;
	struct tar_entry entry = {
		.name = name,
		.type = TAR_DIR,
		.mode = options->plain_modes ? plain_mode(st->st_mode) : st->st_mode & 07777,
		.uid = options->uid < 0 ? st->st_uid : (uint32_t)options->uid,
		.gid = options->gid < 0 ? st->st_gid : (uint32_t)options->gid,
		.mtime = TAR_TIME_FIXED,
	};

	if (S_ISSOCK(st->st_mode) || (options->want && !options->want(name, st, options->data)))
		return 0;
	if (S_ISREG(st->st_mode))
		return add_file(tree->tar, path, &entry, err);
	if (S_ISLNK(st->st_mode))
		return add_symlink(tree->tar, path, &entry, err);
	if (S_ISFIFO(st->st_mode))
		entry.type = TAR_FIFO;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		entry.type = S_ISCHR(st->st_mode) ? TAR_CHAR : TAR_BLOCK;
		entry.dev_major = major(st->st_rdev);
		entry.dev_minor = minor(st->st_rdev);
	}
	return tar_writer_entry(tree->tar, &entry, err);
}

/* `below` is "" for the root, else "/a/b". */
static int visit(const struct tree *tree, const char *below, struct stat *st, struct error *err)
{
	cleanup_free char *path = xasprintf("%s%s", tree->path, below);
	cleanup_free char *name = xasprintf("%s%s", tree->name, below);

	if (lstat(path, st) < 0)
		return error_errno(err, errno, "%s", path);
	return add_one(tree, path, name, st, err);
}

static int walk(struct tree *tree, const char *below, struct error *err)
{
	cleanup_free char *path = xasprintf("%s%s", tree->path, below);
	cleanup(strv_release) struct strv names = STRV_INIT;
	struct stat st;

	if (visit(tree, below, &st, err) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (list_names(path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		cleanup_free char *next = xasprintf("%s/%s", below, names.items[i]);

		if (walk(tree, next, err) < 0)
			return -1;
	}
	return 0;
}

static int gather(struct tree *tree, const char *below, struct error *err)
{
	cleanup_free char *path = xasprintf("%s%s", tree->path, below);
	cleanup(strv_release) struct strv names = STRV_INIT;
	struct stat st;

	if (lstat(path, &st) < 0)
		return error_errno(err, errno, "%s", path);
	strv_add(&tree->paths, below);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (list_names(path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		cleanup_free char *next = xasprintf("%s/%s", below, names.items[i]);

		if (gather(tree, next, err) < 0)
			return -1;
	}
	return 0;
}

static int add_sorted(struct tree *tree, struct error *err)
{
	struct stat st;

	if (gather(tree, "", err) < 0)
		return -1;
	strv_sort(&tree->paths);
	for (size_t i = 0; i < tree->paths.len; i++)
		if (visit(tree, tree->paths.items[i], &st, err) < 0)
			return -1;
	return 0;
}

int tar_tree_add(struct tar_writer *tar, const char *path, const char *name,
                 const struct tar_tree_options *options, struct error *err)
{
	struct tree tree = {.tar = tar, .options = options, .path = path, .name = name};
	int result = -1;

	switch (options->order) {
	case TAR_TREE_WALK:
		result = walk(&tree, "", err);
		break;
	case TAR_TREE_PATHS:
		result = add_sorted(&tree, err);
		break;
	}
	strv_release(&tree.paths);
	return result;
}

int tar_tree_add_parents(struct tar_writer *tar, const char *root, const char *name,
                         struct error *err)
{
	static const struct tar_tree_options as_is = {.uid = TAR_TREE_OWNER_AS_IS,
	                                              .gid = TAR_TREE_OWNER_AS_IS};
	struct tree tree = {.tar = tar, .options = &as_is, .path = root, .name = ""};

	for (const char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		cleanup_free char *parent = xstrndup(name, (size_t)(slash - name));
		struct stat st;

		if (visit(&tree, parent, &st, err) < 0)
			return -1;
		if (!S_ISDIR(st.st_mode))
			return error_set(err, ENOTDIR, "%s%s is not a directory", root, parent);
	}
	return 0;
}

int tar_tree_add_dir(struct tar_writer *tar, const char *name, uint32_t mode, uint32_t uid,
                     uint32_t gid, struct error *err)
{
	struct tar_entry entry = {.name = name,
	                          .type = TAR_DIR,
	                          .mode = mode,
	                          .uid = uid,
	                          .gid = gid,
	                          .mtime = TAR_TIME_FIXED};

	return tar_writer_entry(tar, &entry, err);
}

int tar_tree_add_symlink(struct tar_writer *tar, const char *name, const char *target, uint32_t uid,
                         uint32_t gid, struct error *err)
{
	struct tar_entry entry = {.name = name,
	                          .target = target,
	                          .type = TAR_SYMLINK,
	                          .mode = 0777,
	                          .uid = uid,
	                          .gid = gid,
	                          .mtime = TAR_TIME_FIXED};

	return tar_writer_entry(tar, &entry, err);
}

int tar_tree_add_bytes(struct tar_writer *tar, const char *name, uint32_t mode, uint32_t uid,
                       uint32_t gid, const void *bytes, size_t len, struct error *err)
{
	struct tar_entry entry = {.name = name,
	                          .type = TAR_FILE,
	                          .mode = mode,
	                          .uid = uid,
	                          .gid = gid,
	                          .mtime = TAR_TIME_FIXED,
	                          .size = (int64_t)len};

	if (tar_writer_entry(tar, &entry, err) < 0)
		return -1;
	return tar_writer_data(tar, bytes, len, err);
}
