#include "oci/store.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/userns.h"
#include "oci/owned_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LAYERS    "layers"
#define NEW_LAYER ".new-"

static char *layer_name(const char *diff_id)
{
	return xasprintf(LAYERS "/%s", diff_id + strlen("sha256:"));
}

bool store_has_layer(const struct store *store, const char *diff_id)
{
	cleanup_free char *name = NULL;

	if (!digest_is_valid(diff_id))
		return false;
	name = layer_name(diff_id);
	return faccessat(store->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

char *store_layer_path(const struct store *store, const char *diff_id)
{
	cleanup_free char *name = layer_name(diff_id);

	return path_join(store->path, name);
}

int store_open_layer(const struct store *store, const char *diff_id, struct error *err)
{
	cleanup_free char *name = NULL;
	int fd;

	if (digest_check(diff_id, err) < 0)
		return -1;
	name = layer_name(diff_id);
	fd = openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		error_set(err, ERR_NOT_FOUND, "layer %s is not unpacked in the store", diff_id);
		return error_hint(err, "get the image again");
	}
	if (fd < 0)
		return error_errno(err, errno, "open layer %s", diff_id);
	return fd;
}

/*
 * The directory belongs to root of the map, who fills it.  The lock on it says that
 * somebody is still at work (children hold it too); see store_sweep().
 */
static int prepare_dir(int dir, const struct userns_map *map, struct error *err)
{
	uid_t uid = map->uid[0].outside;
	gid_t gid = map->gid[0].outside;

	if (flock(dir, LOCK_EX | LOCK_NB) < 0 || fchown(dir, uid, gid) < 0 || fchmod(dir, 0755) < 0)
		return error_errno(err, errno, "prepare a layer");
	return 0;
}

int store_begin_layer(struct store *store, const struct userns_map *map, struct layer_writer *ret,
                      struct error *err)
{
	cleanup(layer_writer_release) struct layer_writer layer = LAYER_WRITER_INIT;
	cleanup_free char *path = xasprintf("%s/" LAYERS "/" NEW_LAYER "XXXXXX", store->path);
	/* store_sweep() must not find the directory before its lock is taken. */
	cleanup_close int lock = store_lock(store, err);

	if (lock < 0)
		return -1;
	layer.layers = openat(store->dir, LAYERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer.layers < 0)
		return error_errno(err, errno, "%s/" LAYERS, store->path);
	if (!mkdtemp(path))
		return error_errno(err, errno, "make a layer in %s", store->path);
	layer.temporary = xstrdup(path_base(path));
	layer.dir = openat(layer.layers, layer.temporary,
	                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer.dir < 0)
		return error_errno(err, errno, "open %s", path);
	if (prepare_dir(layer.dir, map, err) < 0)
		return -1;
	*ret = layer;
	layer = (struct layer_writer)LAYER_WRITER_INIT;
	return 0;
}

int layer_writer_commit(struct layer_writer *layer, const char *diff_id, struct error *err)
{
	if (digest_check(diff_id, err) < 0)
		return -1;
	/* A crash of the machine must not leave a complete name on half a layer. */
	if (syncfs(layer->dir) < 0)
		return error_errno(err, errno, "write layer %s", diff_id);
	if (renameat2(layer->layers, layer->temporary, layer->layers, diff_id + strlen("sha256:"),
	              RENAME_NOREPLACE) == 0) {
		free(take_ptr(layer->temporary));
		return 0;
	}
	/* Another process was first: its layer is the same, and ours is removed on release. */
	if (errno == EEXIST)
		return 0;
	return error_errno(err, errno, "name layer %s", diff_id);
}

void layer_writer_release(struct layer_writer *layer)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	/* What cannot be removed now, store_sweep() tries again. */
	if (layer->temporary)
		owned_tree_remove(layer->layers, layer->temporary, &ignored);
	free(layer->temporary);
	close_fd(&layer->dir);
	close_fd(&layer->layers);
	*layer = (struct layer_writer)LAYER_WRITER_INIT;
}
