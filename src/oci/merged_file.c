#include "oci/merged_file.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define LINKS_MAX 16

enum lookup { LOOK_FURTHER, LOOK_DONE, LOOK_LINK };

/* Does this layer hide what lower layers have in the directory `dir`? */
static bool hides_dir(int layer, const char *dir)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_close int found = fs_open_in_root(layer, dir, O_PATH | O_NOFOLLOW, 0, &ignored);
	cleanup_close int fd = -1;
	struct stat st;
	char value[8];

	if (found < 0 || fstat(found, &st) < 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return true;
	fd = fs_open_in_root(layer, dir, O_RDONLY | O_DIRECTORY, 0, &ignored);
	return fd >= 0 && fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) > 0;
}

static bool hides_parent(int layer, const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		cleanup_free char *dir = xstrndup(path, (size_t)(slash - path));

		if (hides_dir(layer, dir))
			return true;
	}
	return false;
}

static char *read_target(int link, const char *path)
{
	cleanup_free char *dir = path_dir(path);
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n < 0)
		return xstrdup("/");
	target[n] = '\0';
	return path_absolute(dir, target);
}

static int read_regular(int layer, const char *path, size_t max, struct strbuf *out,
                        struct error *err)
{
	cleanup_close int fd =
		fs_open_in_root(layer, path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0, err);

	if (fd < 0 || fd_read_to_end(fd, out, max, err) < 0)
		return error_wrap(err, "%s of the image", path);
	return LOOK_DONE;
}

/* Looks into one layer; for a symlink `path` is changed to where it points. */
static int look_in_layer(int layer, char **path, size_t max, struct strbuf *out, struct error *err)
{
	cleanup(error_release) struct error missing = ERROR_INIT;
	cleanup_close int found = fs_open_in_root(layer, *path, O_PATH | O_NOFOLLOW, 0, &missing);
	struct stat st;
	char *target;

	if (found < 0)
		return hides_parent(layer, *path) ? LOOK_DONE : LOOK_FURTHER;
	if (fstat(found, &st) < 0)
		return error_errno(err, errno, "%s of the image", *path);
	if (S_ISREG(st.st_mode))
		return read_regular(layer, *path, max, out, err);
	if (!S_ISLNK(st.st_mode))
		return LOOK_DONE; /* a whiteout, or nothing that can be read */
	target = read_target(found, *path);
	free(*path);
	*path = target;
	return LOOK_LINK;
}

static int look(const struct store *store, const struct image *image, char **path, size_t max,
                struct strbuf *out, struct error *err)
{
	for (size_t i = image->diff_ids.len; i-- > 0;) {
		cleanup_close int layer = store_open_layer(store, image->diff_ids.items[i], err);
		int result = layer < 0 ? -1 : look_in_layer(layer, path, max, out, err);

		if (result != LOOK_FURTHER)
			return result;
	}
	return LOOK_DONE;
}

int merged_file_read(const struct store *store, const struct image *image, const char *path,
                     size_t max, struct strbuf *out, struct error *err)
{
	cleanup_free char *at = xstrdup(path);

	/* A circle of links leads to nothing. */
	for (int links = 0; links < LINKS_MAX; links++) {
		int result = look(store, image, &at, max, out, err);

		if (result != LOOK_LINK)
			return result < 0 ? -1 : 0;
	}
	return 0;
}
