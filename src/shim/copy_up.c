#include "shim/mounts.h"

#include "base/error.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEPTH_MAX 64
#define CHUNK     (1 << 20)

struct entry { /* struct linux_dirent64 */
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

static int copy_dir(int from, int to, int depth, struct error *err);

static int keep_owner(int dir, const char *name, const struct stat *st, struct error *err)
{
	if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "chown `%s`", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(dir, name, st->st_mode & 07777, 0) < 0)
		return error_errno(err, errno, "chmod `%s`", name);
	return 0;
}

static int copy_file(int from, int to, const char *name, struct error *err)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	cleanup_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return error_errno(err, errno, "copy `%s`", name);
	do
		n = sendfile(out, in, NULL, CHUNK);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? error_errno(err, errno, "copy `%s`", name) : 0;
}

static int copy_link(int from, int to, const char *name, struct error *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);

	if (len < 0)
		return error_errno(err, errno, "read symlink `%s`", name);
	target[len] = '\0';
	return symlinkat(target, to, name) < 0 ? error_errno(err, errno, "symlink `%s`", name) : 0;
}

static int copy_entry(int from, int to, const char *name, int depth, struct error *err)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "stat `%s`", name);
	if (S_ISDIR(st.st_mode)) {
		cleanup_close int in =
			openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		cleanup_close int out = -1;

		if (in < 0 || mkdirat(to, name, 0700) < 0)
			return error_errno(err, errno, "copy directory `%s`", name);
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			return error_errno(err, errno, "copy directory `%s`", name);
		if (copy_dir(in, out, depth + 1, err) < 0)
			return -1;
	} else if (S_ISREG(st.st_mode)) {
		if (copy_file(from, to, name, err) < 0)
			return -1;
	} else if (S_ISLNK(st.st_mode)) {
		if (copy_link(from, to, name, err) < 0)
			return -1;
	} else {
		return 0; /* sockets, fifos and nodes have no content to keep */
	}
	return keep_owner(to, name, &st, err);
}

static int copy_dir(int from, int to, int depth, struct error *err)
{
	char buf[4096] __attribute__((aligned(8)));
	long n;

	if (depth > DEPTH_MAX)
		return error_set(err, ELOOP, "more than %d directories deep", DEPTH_MAX);
	while ((n = syscall(SYS_getdents64, from, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *entry = (const struct entry *)(buf + at);

			at += entry->len;
			if (str_eq(entry->name, ".") || str_eq(entry->name, ".."))
				continue;
			if (copy_entry(from, to, entry->name, depth, err) < 0)
				return -1;
		}
	}
	return n < 0 ? error_errno(err, errno, "read directory") : 0;
}

int mount_copy_up(int from, int tree, struct error *err)
{
	cleanup_close int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int out = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (in < 0 || out < 0)
		return error_errno(err, errno, "open directory");
	return copy_dir(in, out, 0, err);
}
