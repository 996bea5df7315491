#include "oci/extract.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define PATH_LIMIT 4096
#define LINKS_MAX  40

/* Removes the last part; false when there is none. */
static bool drop_part(struct strbuf *path)
{
	char *slash = strrchr(path->buf, '/');

	if (path->len == 0)
		return false;
	strbuf_truncate(path, slash ? (size_t)(slash - path->buf) : 0);
	return true;
}

static int add_parts(struct strbuf *out, const char *path, bool may_stop_at_root, struct error *err)
{
	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.') {
			if (!drop_part(out) && !may_stop_at_root)
				return error_set(err, EXDEV, "%.256s leads outside", path);
		} else if (len > NAME_MAX) {
			return error_set(err, ENAMETOOLONG, "a name is longer than %d bytes",
			                 NAME_MAX);
		} else if (len > 0 && !(len == 1 && at[0] == '.')) {
			if (out->len > 0)
				strbuf_addch(out, '/');
			strbuf_add(out, at, len);
		}
		at += len;
		at += strspn(at, "/");
	}
	return 0;
}

char *extract_clean_path(const char *path, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (strlen(path) > PATH_LIMIT) {
		error_set(err, ENAMETOOLONG, "a path is longer than %d bytes", PATH_LIMIT);
		return NULL;
	}
	if (add_parts(&out, path, false, err) < 0)
		return NULL;
	return strbuf_detach(&out);
}

bool extract_is_whiteout(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == 0;
}

int extract_make_opaque(int fd, struct error *err)
{
	if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0) {
		error_errno(err, errno, "mark a directory as opaque");
		return error_hint(err, "the image store needs a file system with user xattrs");
	}
	return 0;
}

int extract_count(struct extractor *ex, struct error *err)
{
	if (++ex->result->entries > ex->limits.entries)
		return error_set(err, EFBIG, "the layer has more than %lld entries",
		                 (long long)ex->limits.entries);
	return 0;
}

void extract_close_parent(struct extractor *ex)
{
	free(ex->parent_path);
	ex->parent_path = NULL;
	close_fd(&ex->parent);
	ex->parent = -1;
}

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
}

static int open_dir(int root, const char *path, struct error *err)
{
	return fs_open_in_root(root, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0, err);
}

static int ensure_dir(struct extractor *ex, const char *path, int links, struct error *err);

/* Where a link that leads to nothing yet points, within the root. */
static int follow_dangling(struct extractor *ex, int dir, const char *path, int links,
                           struct error *err)
{
	cleanup(strbuf_release) struct strbuf goal = STRBUF_INIT;
	cleanup_free char *above = dir_of(path);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, path_base(path), target, sizeof(target) - 1);

	if (n < 0)
		return error_errno(err, errno, "read link %s", path);
	if (links >= LINKS_MAX)
		return error_set(err, ELOOP, "%s: too many symbolic links", path);
	target[n] = '\0';
	if (*target != '/')
		strbuf_adds(&goal, above);
	if (add_parts(&goal, target, true, err) < 0)
		return -1;
	return ensure_dir(ex, goal.buf, links + 1, err);
}

static int make_dir(struct extractor *ex, int dir, const char *name, bool was_whiteout,
                    struct error *err)
{
	cleanup_close int fd = -1;

	if (was_whiteout && unlinkat(dir, name, 0) < 0)
		return error_errno(err, errno, "remove whiteout %s", name);
	if (extract_count(ex, err) < 0)
		return -1;
	if (mkdirat(dir, name, ex->is_plain ? 0700 : 0755) < 0)
		return error_errno(err, errno, "make directory %s", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open directory %s", name);
	/* A directory set-gid above it must not choose the owner's group. */
	if (!ex->drops_owners && !ex->is_plain && fchown(fd, 0, 0) < 0)
		return error_errno(err, errno, "make directory %s", name);
	/* The layers below lost it by the whiteout, and must not show through it now. */
	if (was_whiteout && extract_make_opaque(fd, err) < 0)
		return -1;
	return take_fd(fd);
}

/* Opens a directory beneath the root and makes what is missing; returns its descriptor. */
static int ensure_dir(struct extractor *ex, const char *path, int links, struct error *err)
{
	cleanup(error_release) struct error missing = ERROR_INIT;
	cleanup_free char *above = NULL;
	cleanup_close int dir = -1;
	const char *name = path_base(path);
	struct stat st;
	int fd = open_dir(ex->root, path, &missing);

	if (fd >= 0)
		return fd;
	if ((missing.code != ENOENT && missing.code != ENOTDIR) || !*path)
		return error_move(err, &missing);
	above = dir_of(path);
	dir = ensure_dir(ex, above, links, err);
	if (dir < 0)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return make_dir(ex, dir, name, false, err);
	if (S_ISCHR(st.st_mode))
		return make_dir(ex, dir, name, true, err);
	if (S_ISLNK(st.st_mode))
		return follow_dangling(ex, dir, path, links, err);
	if (S_ISDIR(st.st_mode)) {
		/* A dangling link above `path` was made good on the way down. */
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? error_errno(err, errno, "open %s", path) : fd;
	}
	return error_set(err, ENOTDIR, "%s is not a directory", path);
}

int extract_open_parent(struct extractor *ex, const char *path, struct error *err)
{
	cleanup_free char *dir = dir_of(path);
	int fd;

	if (ex->parent_path && str_eq(ex->parent_path, dir))
		return ex->parent;
	fd = ensure_dir(ex, dir, 0, err);
	if (fd < 0)
		return -1;
	extract_close_parent(ex);
	ex->parent = fd;
	ex->parent_path = take_ptr(dir);
	return fd;
}
