#include "oci/extract.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define WHITEOUT ".wh."

/* One entry on its way in. */
struct item {
	struct archive *archive;
	struct archive_entry *entry;
	const char *path; /* clean */
	const char *name; /* its last part */
	int parent;
};

static void note(const struct extractor *ex, const char *path, const char *why)
{
	cleanup_free char *text = NULL;

	if (!ex->events.note)
		return;
	text = xasprintf("%s: %s", path, why);
	ex->events.note(text, ex->events.data);
}

static struct timespec mtime_of(struct archive_entry *entry)
{
	return (struct timespec){.tv_sec = archive_entry_mtime(entry),
	                         .tv_nsec = archive_entry_mtime_nsec(entry)};
}

static bool is_kept_xattr(const char *name)
{
	if (str_starts(name, "user.overlay."))
		return false; /* ours to set: it would change what other layers show */
	return str_starts(name, "user.") || str_eq(name, "security.capability");
}

static int set_xattrs(const struct extractor *ex, const struct item *item, int fd,
                      struct error *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(item->entry);
	while (archive_entry_xattr_next(item->entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !is_kept_xattr(name) || fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM)
			return error_errno(err, errno, "set %s", name);
		note(ex, item->path, "an extended attribute could not be set");
	}
	return 0;
}

static int unmapped_owner(const struct item *item, struct error *err)
{
	error_set(err, EINVAL, "owner %lld:%lld is beyond your subordinate ids",
	          (long long)archive_entry_uid(item->entry),
	          (long long)archive_entry_gid(item->entry));
	return error_hint(err, "give yourself a larger range in /etc/subuid and /etc/subgid");
}

/* Owner before attributes before mode: each clears what comes later. */
static int set_metadata(const struct extractor *ex, const struct item *item, int fd,
                        struct error *err)
{
	mode_t mode = archive_entry_perm(item->entry) & 07777;

	if (ex->is_plain)
		return 0;
	if (!ex->drops_owners && fchown(fd, (uid_t)archive_entry_uid(item->entry),
	                                (gid_t)archive_entry_gid(item->entry)) < 0)
		return errno == EINVAL ? unmapped_owner(item, err)
		                       : error_errno(err, errno, "set the owner");
	if (set_xattrs(ex, item, fd, err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return error_errno(err, errno, "set the mode");
	return 0;
}

/* Removes what has the entry's name; returns 1 when that was a whiteout. */
static int make_way(struct extractor *ex, const struct item *item, struct error *err)
{
	struct stat st;

	if (fstatat(item->parent, item->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, errno, "stat");
	}
	if (fs_remove_tree(item->parent, item->name, err) < 0)
		return -1;
	return S_ISCHR(st.st_mode) ? 1 : 0;
}

static void remember_times(struct extractor *ex, const struct item *item)
{
	struct extract_dir_times *times = array_add(&ex->dirs);

	times->path = xstrdup(item->path);
	times->mtime = mtime_of(item->entry);
}

static int open_existing_dir(const struct item *item)
{
	return openat(item->parent, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int add_dir(struct extractor *ex, const struct item *item, struct error *err)
{
	cleanup_close int fd = open_existing_dir(item);
	int was_whiteout = 0;

	if (fd < 0) {
		was_whiteout = make_way(ex, item, err);
		if (was_whiteout < 0)
			return -1;
		if (mkdirat(item->parent, item->name, 0700) < 0)
			return error_errno(err, errno, "make the directory");
		fd = open_existing_dir(item);
	}
	if (fd < 0)
		return error_errno(err, errno, "open the directory");
	if (was_whiteout && extract_make_opaque(fd, err) < 0)
		return -1;
	remember_times(ex, item);
	return set_metadata(ex, item, fd, err);
}

static int add_root(struct extractor *ex, const struct item *item, struct error *err)
{
	if (archive_entry_filetype(item->entry) != AE_IFDIR)
		return error_set(err, ENOTDIR, "the root is not a directory");
	remember_times(ex, item);
	return set_metadata(ex, item, ex->root, err);
}

static int write_at(int fd, const void *bytes, size_t len, int64_t offset, struct error *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "write");
		at += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy_data(const struct item *item, int fd, int64_t size, struct error *err)
{
	for (;;) {
		const void *bytes;
		size_t len;
		la_int64_t offset;
		int result = archive_read_data_block(item->archive, &bytes, &len, &offset);

		if (result == ARCHIVE_EOF)
			break;
		if (result != ARCHIVE_OK)
			return error_set(err, EINVAL, "%s", archive_error_string(item->archive));
		if (offset < 0 || offset > size || len > (uint64_t)(size - offset))
			return error_set(err, EINVAL, "more data than its header says");
		if (write_at(fd, bytes, len, offset, err) < 0)
			return -1;
	}
	/* A hole at the end. */
	if (ftruncate(fd, size) < 0)
		return error_errno(err, errno, "set the size");
	return 0;
}

static int add_file(struct extractor *ex, const struct item *item, struct error *err)
{
	int64_t size = archive_entry_size(item->entry);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime_of(item->entry)};
	cleanup_close int fd = -1;

	if (size < 0 || size > ex->limits.bytes - ex->result->file_bytes)
		return error_set(err, EFBIG, "the layer's files are larger than %lld bytes",
		                 (long long)ex->limits.bytes);
	ex->result->file_bytes += size;
	if (make_way(ex, item, err) < 0)
		return -1;
	fd = openat(item->parent, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	            0600);
	if (fd < 0)
		return error_errno(err, errno, "make the file");
	if (copy_data(item, fd, size, err) < 0 || set_metadata(ex, item, fd, err) < 0)
		return -1;
	if (!ex->is_plain && futimens(fd, times) < 0)
		return error_errno(err, errno, "set the time");
	return 0;
}

static int add_symlink(struct extractor *ex, const struct item *item, struct error *err)
{
	const char *target = archive_entry_symlink(item->entry);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime_of(item->entry)};

	if (str_empty(target))
		return error_set(err, EINVAL, "a symbolic link to nothing");
	if (make_way(ex, item, err) < 0)
		return -1;
	if (symlinkat(target, item->parent, item->name) < 0)
		return error_errno(err, errno, "make the symbolic link");
	if (!ex->drops_owners &&
	    fchownat(item->parent, item->name, (uid_t)archive_entry_uid(item->entry),
	             (gid_t)archive_entry_gid(item->entry), AT_SYMLINK_NOFOLLOW) < 0)
		return errno == EINVAL ? unmapped_owner(item, err)
		                       : error_errno(err, errno, "set the owner");
	if (utimensat(item->parent, item->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set the time");
	return 0;
}

/* The target is a path of the archive, so an absolute one counts from the root. */
static int add_hard_link(struct extractor *ex, const struct item *item, const char *target,
                         struct error *err)
{
	cleanup_free char *path = extract_clean_path(target, err);
	cleanup_free char *above = NULL;
	cleanup_close int dir = -1;
	struct stat st;

	if (!path)
		return error_wrap(err, "hard link");
	if (str_eq(path, item->path))
		return 0;
	above = path_dir(path);
	dir = fs_open_in_root(ex->root, above, O_PATH | O_DIRECTORY, 0, err);
	if (dir < 0)
		return error_wrap(err, "hard link to %s", path);
	if (fstatat(dir, path_base(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "hard link to %s", path);
	/* A link to a whiteout would hide a second name in the layers below. */
	if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))
		return error_set(err, EINVAL, "hard link to %s, which is no file", path);
	if (make_way(ex, item, err) < 0)
		return -1;
	if (linkat(dir, path_base(path), item->parent, item->name, 0) < 0)
		return error_errno(err, errno, "hard link to %s", path);
	return 0;
}

/* ".wh.name" hides `name` of the layers below; what this layer itself has stays. */
static int add_whiteout(const struct item *item, const char *hidden, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (!*hidden || str_eq(hidden, ".") || str_eq(hidden, ".."))
		return error_set(err, EINVAL, "a whiteout of nothing");
	if (mknodat(item->parent, hidden, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "make a whiteout");
	if (fstatat(item->parent, hidden, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "make a whiteout");
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(item->parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a whiteout");
	return extract_make_opaque(fd, err);
}

static int add_special(struct extractor *ex, const struct item *item, const char *rest,
                       struct error *err)
{
	if (str_eq(rest, ".wh..opq"))
		return extract_make_opaque(item->parent, err);
	/* aufs's own files (.wh..wh.plnk and others) mean nothing to anybody else. */
	if (str_starts(rest, ".wh."))
		return 0;
	return add_whiteout(item, rest, err);
}

static int add_node(struct extractor *ex, const struct item *item, struct error *err)
{
	switch (archive_entry_filetype(item->entry)) {
	case AE_IFREG:
		return add_file(ex, item, err);
	case AE_IFDIR:
		return add_dir(ex, item, err);
	case AE_IFLNK:
		if (!ex->is_plain)
			return add_symlink(ex, item, err);
		break;
	default:
		break;
	}
	ex->result->skipped++;
	note(ex, item->path, "left out: not a file, a directory or a link");
	return 0;
}

static int add_item(struct extractor *ex, struct item *item, struct error *err)
{
	const char *target = archive_entry_hardlink(item->entry);

	item->parent = extract_open_parent(ex, item->path, err);
	if (item->parent < 0)
		return -1;
	if (str_starts(item->name, WHITEOUT) && !ex->is_plain)
		return add_special(ex, item, item->name + strlen(WHITEOUT), err);
	if (target)
		return add_hard_link(ex, item, target, err);
	return add_node(ex, item, err);
}

int extractor_add(struct extractor *ex, struct archive *archive, struct archive_entry *entry,
                  struct error *err)
{
	const char *raw = archive_entry_pathname(entry);
	cleanup_free char *path = NULL;
	struct item item = {.archive = archive, .entry = entry, .parent = -1};

	if (extract_count(ex, err) < 0)
		return -1;
	if (!raw)
		return error_set(err, EINVAL, "an entry has no name");
	path = extract_clean_path(raw, err);
	if (!path)
		return -1;
	item.path = path;
	item.name = path_base(path);
	if ((*path ? add_item(ex, &item, err) : add_root(ex, &item, err)) < 0)
		return error_wrap(err, "%.256s", path);
	return 0;
}

int extractor_finish(struct extractor *ex, struct error *err)
{
	extract_close_parent(ex);
	array_foreach(dir, &ex->dirs) {
		cleanup(error_release) struct error ignored = ERROR_INIT;
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, dir->mtime};
		cleanup_close int fd = -1;

		if (ex->is_plain)
			break;
		/* A later entry may have replaced it. */
		fd = fs_open_in_root(ex->root, *dir->path ? dir->path : ".",
		                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &ignored);
		if (fd >= 0 && futimens(fd, times) < 0)
			return error_errno(err, errno, "%s: set the time", dir->path);
	}
	return 0;
}

void extractor_release(struct extractor *ex)
{
	extract_close_parent(ex);
	array_foreach(dir, &ex->dirs)
		free(dir->path);
	array_release(&ex->dirs);
}
