#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define REMOVE_DEPTH_MAX 1024

static int remove_entries(DIR *dir, dev_t device, int depth, struct error *err);

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int remove_dir(int parent, const char *name, dev_t device, int depth, struct error *err)
{
	cleanup(close_dir) DIR *dir = NULL;
	struct stat st;
	int fd;

	if (depth > REMOVE_DEPTH_MAX)
		return error_set(err, ELOOP, "remove %s: deeper than %d", name, REMOVE_DEPTH_MAX);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "remove %s", name);
	if (fstat(fd, &st) < 0 || st.st_dev != device) {
		close(fd);
		return error_set(err, EBUSY, "remove %s: something is mounted there", name);
	}
	/* A directory without write permission must not keep its own contents. */
	if (!(st.st_mode & S_IWUSR) && fchmod(fd, 0700) < 0) {
		close(fd);
		return error_errno(err, errno, "remove %s", name);
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_errno(err, errno, "remove %s", name);
	}
	if (remove_entries(dir, device, depth, err) < 0)
		return error_wrap(err, "%s", name);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return error_errno(err, errno, "remove %s", name);
	return 0;
}

static int remove_entries(DIR *dir, dev_t device, int depth, struct error *err)
{
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			return error_errno(err, errno, "read directory");
		if (!entry)
			return 0;
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (entry->d_type != DT_DIR && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			continue;
		if (entry->d_type != DT_DIR && errno != EISDIR)
			return error_errno(err, errno, "remove %s", entry->d_name);
		if (remove_dir(dirfd(dir), entry->d_name, device, depth + 1, err) < 0)
			return -1;
	}
}

int fs_remove_tree(int dirfd, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, errno, "remove %s", name);
	}
	if (S_ISDIR(st.st_mode))
		return remove_dir(dirfd, name, st.st_dev, 0, err);
	if (unlinkat(dirfd, name, 0) < 0)
		return error_errno(err, errno, "remove %s", name);
	return 0;
}
