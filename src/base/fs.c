#include "base/fs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

char *path_join(const char *a, const char *b)
{
	size_t len = strlen(a);

	while (*b == '/')
		b++;
	return xasprintf("%s%s%s", a, len > 0 && a[len - 1] == '/' ? "" : "/", b);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	return xstrndup(path, (size_t)(slash - path));
}

char *path_real(const char *path, struct error *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		error_errno(err, errno, "%s", path);
	return real;
}

char *path_absolute(const char *base, const char *path)
{
	cleanup_free char *joined = *path == '/' ? xstrdup(path) : path_join(base, path);
	struct strbuf out = STRBUF_INIT;

	for (const char *at = joined; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.') {
			char *slash = strrchr(out.buf, '/');

			strbuf_truncate(&out, slash ? (size_t)(slash - out.buf) : 0);
		} else if (len > 0 && !(len == 1 && at[0] == '.')) {
			strbuf_addch(&out, '/');
			strbuf_add(&out, at, len);
		}
		at += len;
		while (*at == '/')
			at++;
	}
	if (out.len == 0)
		strbuf_addch(&out, '/');
	return strbuf_detach(&out);
}

bool fs_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

char *fs_find_program(const char *name)
{
	static const char *const folders[] = {"/usr/local/bin", "/usr/bin", "/bin"};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		cleanup_free char *path = xasprintf("%s/%s", folders[i], name);

		if (access(path, X_OK) == 0)
			return take_ptr(path);
	}
	return NULL;
}

bool fs_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void fs_names(const char *dir, struct strv *out)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;

	if (!stream)
		return;
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			strv_add(out, entry->d_name);
	closedir(stream);
	strv_sort(out);
}

int fs_read_file(const char *path, size_t max, struct strbuf *out, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (fd_read_to_end(fd, out, max, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

static int write_and_sync(int fd, const void *data, size_t len, mode_t mode, struct error *err)
{
	if (fchmod(fd, mode) < 0)
		return error_errno(err, errno, "chmod");
	if (fd_write_all(fd, data, len, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return error_errno(err, errno, "fsync");
	return 0;
}

/* A temporary file beside `path` with the content; its name is the caller's, NULL on failure. */
static char *write_beside(const char *path, const void *data, size_t len, mode_t mode,
                          struct error *err)
{
	cleanup_free char *temporary = xasprintf("%s.XXXXXX", path);
	cleanup_close int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0) {
		error_errno(err, errno, "%s", path);
		return NULL;
	}
	if (write_and_sync(fd, data, len, mode, err) < 0) {
		unlink(temporary);
		error_wrap(err, "%s", path);
		return NULL;
	}
	return take_ptr(temporary);
}

int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	cleanup_free char *temporary = write_beside(path, data, len, mode, err);

	if (!temporary)
		return -1;
	if (rename(temporary, path) < 0) {
		error_errno(err, errno, "%s", path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

int fs_write_new(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	cleanup_free char *temporary = write_beside(path, data, len, mode, err);
	int r = 0;

	if (!temporary)
		return -1;
	if (link(temporary, path) < 0)
		r = error_errno(err, errno, "%s", path);
	unlink(temporary);
	return r;
}

int fs_mkdirs(const char *path, mode_t mode, struct error *err)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make directory %s", copy);
		*at = '/';
	}
	if (mkdir(copy, mode) < 0 && (errno != EEXIST || !fs_is_dir(copy)))
		return error_errno(err, errno == EEXIST ? ENOTDIR : errno, "make directory %s",
		                   copy);
	return 0;
}

int fs_mkdirs_private(const char *path, struct error *err)
{
	struct stat st;

	if (fs_mkdirs(path, 0700, err) < 0)
		return -1;
	if (lstat(path, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "%s is not a directory", path);
	if (st.st_uid != geteuid()) {
		error_set(err, EPERM, "%s belongs to uid %u, not to you", path, st.st_uid);
		return error_hint(err, "remove it, or choose another place with the XDG variables");
	}
	if (st.st_mode & 077) {
		error_set(err, EPERM, "%s is open to other users (mode %04o)", path,
		          st.st_mode & 07777);
		return error_hint(err, "chmod 700 %s", path);
	}
	return 0;
}

static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve,
                         struct error *err)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: a rename raced with the resolution of ".."; the kernel asks to try again. */
	do
		fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	return fd;
}

int fs_open_beneath(int rootfd, const char *path, int flags, mode_t mode, struct error *err)
{
	return open_resolved(rootfd, path, flags, mode, RESOLVE_BENEATH, err);
}

int fs_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct error *err)
{
	return open_resolved(rootfd, path, flags, mode, RESOLVE_IN_ROOT, err);
}

int fs_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct error *err)
{
	cleanup_free char *prefix = xasprintf("./%s", path);
	char *at = prefix + 2;

	for (;;) {
		cleanup(error_release) struct error missing = ERROR_INIT;
		cleanup_free char *parent = NULL;
		cleanup_close int dir = -1;
		char saved;
		int fd;

		at += strspn(at, "/");
		at += strcspn(at, "/");
		saved = *at;
		*at = '\0';
		fd = fs_open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0, &missing);
		if (fd < 0 && missing.code != ENOENT)
			return error_move(err, &missing);
		if (fd < 0) {
			parent = path_dir(prefix);
			dir = fs_open_in_root(rootfd, parent, O_PATH | O_DIRECTORY, 0, err);
			if (dir < 0)
				return -1;
			if (mkdirat(dir, path_base(prefix), mode) < 0 && errno != EEXIST)
				return error_errno(err, errno, "make directory %s", prefix + 2);
			fd = fs_open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0, err);
		}
		if (fd < 0 || saved == '\0')
			return fd;
		close(fd);
		*at = saved;
	}
}

int fs_lock(const char *path, bool wait, struct error *err)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "lock %s", path);
	}
	return take_fd(fd);
}
