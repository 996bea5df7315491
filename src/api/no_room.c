#include "api/no_room.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Some have no fixed number of files, and say that it is 0. */
static bool has_no_files(const struct statvfs *fs)
{
	return fs->f_files > 0 && fs->f_favail == 0;
}

/* The nearest folder above `path` that is there. */
static char *folder_of(const char *path, struct stat *ret)
{
	char *dir = path_dir(path);

	while (stat(dir, ret) < 0 && !str_eq(dir, "/") && !str_eq(dir, ".")) {
		char *above = path_dir(dir);

		free(dir);
		dir = above;
	}
	return dir;
}

bool no_room_for_files(const char *path)
{
	struct stat st;
	cleanup_free char *dir = folder_of(path, &st);
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 && has_no_files(&fs);
}

/* The highest folder of the same file system. */
static char *mount_point_of(const char *dir, dev_t dev)
{
	char *top = xstrdup(dir);

	while (!str_eq(top, "/")) {
		char *above = path_dir(top);
		struct stat st;

		if (str_eq(above, top) || stat(above, &st) < 0 || st.st_dev != dev) {
			free(above);
			break;
		}
		free(top);
		top = above;
	}
	return top;
}

static char *size_text(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	return xasprintf("%.*f %s", value < 10 && bytes > 0 ? 1 : 0, value, units[unit]);
}

static char *room_text(const struct statvfs *fs)
{
	cleanup_free char *free_text = size_text((uint64_t)fs->f_bavail * fs->f_frsize);
	cleanup_free char *all_text = size_text((uint64_t)fs->f_blocks * fs->f_frsize);

	if (has_no_files(fs))
		return xasprintf("has all of its %" PRIu64 " files in use, and %s free of %s",
		                 (uint64_t)fs->f_files, free_text, all_text);
	return xasprintf("has %s free of %s", free_text, all_text);
}

int no_room_explain(struct error *err, const char *path)
{
	cleanup_free char *text = NULL, *dir = NULL, *top = NULL, *room = NULL;
	struct statvfs fs;
	struct stat st;

	if (err->code != ENOSPC && err->code != EDQUOT)
		return -1;
	dir = folder_of(path, &st);
	if (statvfs(dir, &fs) < 0)
		return -1;
	text = xstrdup(err->text);
	top = mount_point_of(dir, st.st_dev);
	room = err->code == EDQUOT ? xstrdup("has no more for you: your quota is used up")
	                           : room_text(&fs);
	error_set(err, err->code, "%s; the file system at %s %s", text, top, room);
	return error_hint(err, "make room at %s, and do it again; what runs goes on", top);
}
