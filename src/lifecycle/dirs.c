#include "lifecycle/dirs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define DIR_NAMES_MAX 65536

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int dir_names(const char *path, struct strv *ret, struct error *err)
{
	cleanup(strv_release) struct strv names = STRV_INIT;
	cleanup(close_dir) DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return error_errno(err, errno, "open directory %s", path);
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (names.len == DIR_NAMES_MAX)
			return error_set(err, EFBIG, "%s has more than %d entries", path,
			                 DIR_NAMES_MAX);
		strv_add(&names, entry->d_name);
	}
	if (errno)
		return error_errno(err, errno, "read directory %s", path);
	strv_sort(&names);
	strv_release(ret);
	*ret = names;
	names = (struct strv)STRV_INIT;
	return 0;
}

int dir_files(const char *path, struct strv *ret, struct error *err)
{
	cleanup(strv_release) struct strv names = STRV_INIT;
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_names(path, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		cleanup_free char *file = path_join(path, names.items[i]);

		if (path_is_file(file))
			strv_add(&files, names.items[i]);
	}
	strv_release(ret);
	*ret = files;
	files = (struct strv)STRV_INIT;
	return 0;
}

bool path_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool path_is_executable(const char *path)
{
	return path_is_file(path) && access(path, X_OK) == 0;
}

char *escaped_id(const char *id)
{
	char *escaped = xstrdup(id);

	for (char *c = escaped; *c; c++)
		if (*c == '/')
			*c = '_';
	return escaped;
}

char *read_text(const char *path, size_t max, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, max, &text, err) < 0)
		return NULL;
	if (strlen(text.buf) != text.len) {
		error_set(err, EINVAL, "%s has a NUL byte", path);
		return NULL;
	}
	return strbuf_detach(&text);
}

int remove_path(const char *path, struct error *err)
{
	cleanup_free char *parent = path_dir(path);
	cleanup_close int dirfd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0 && errno == ENOENT)
		return 0;
	if (dirfd < 0)
		return error_errno(err, errno, "open %s", parent);
	if (faccessat(dirfd, path_base(path), F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	return fs_remove_tree(dirfd, path_base(path), err);
}

char *temp_dir_new(struct error *err)
{
	const char *base = getenv("TMPDIR");
	cleanup_free char *path = xasprintf("%s/lifecycle.XXXXXX", str_empty(base) ? "/tmp" : base);

	if (!mkdtemp(path)) {
		error_errno(err, errno, "make a temporary directory %s", path);
		return NULL;
	}
	return take_ptr(path);
}

void temp_dir_free(char *path)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	/* What cannot be removed from a temporary directory goes with its container. */
	if (path)
		remove_path(path, &ignored);
	free(path);
}

int copy_file(const char *from, const char *to, struct error *err)
{
	cleanup_close int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_close int out = -1;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return error_errno(err, errno, "open %s", from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (out < 0)
		return error_errno(err, errno, "make %s", to);
	return fd_copy(in, out, err) < 0 ? error_wrap(err, "%s to %s", from, to) : 0;
}
