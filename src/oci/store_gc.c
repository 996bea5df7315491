#include "oci/store.h"

#include "base/error.h"
#include "base/mem.h"
#include "oci/image.h"
#include "oci/owned_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

struct garbage {
	int dir;
	struct strv live; /* names that stay, sorted */
	bool is_layers;
	struct store_gc *count;
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static DIR *open_dir(const struct store *store, const char *name, struct error *err)
{
	int fd = openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		return dir;
	error_errno(err, errno, "%s/%s", store->path, name);
	close_fd(&fd);
	return NULL;
}

typedef int entry_fn(int dir, const char *name, void *data, struct error *err);

static int each_entry(const struct store *store, const char *name, entry_fn *fn, void *data,
                      struct error *err)
{
	cleanup(close_dir) DIR *dir = open_dir(store, name, err);

	if (!dir)
		return -1;
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			return error_errno(err, errno, "%s/%s", store->path, name);
		if (!entry)
			return 0;
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (fn(dirfd(dir), entry->d_name, data, err) < 0)
			return -1;
	}
}

static int sweep_entry(int dir, const char *name, void *data, struct error *err)
{
	cleanup_close int fd = -1;

	if (!str_starts(name, ".new-"))
		return 0;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	/* Its maker works on it, or has just finished. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	return owned_tree_remove(dir, name, err);
}

int store_sweep(struct store *store, struct error *err)
{
	cleanup_close int lock = store_lock(store, err);

	if (lock < 0 || each_entry(store, "layers", sweep_entry, NULL, err) < 0)
		return -1;
	return each_entry(store, "blobs/sha256", sweep_entry, NULL, err);
}

static void add_digest(struct strv *live, const char *digest)
{
	strv_add(live, digest + strlen("sha256:"));
}

/* An image that cannot be read stops the collection: what it leads to is not known. */
static int add_image(const struct store *store, const struct store_image *named, struct strv *blobs,
                     struct strv *layers, struct error *err)
{
	cleanup(image_release) struct image image = IMAGE_INIT;

	if (image_load_manifest(store, &named->manifest, &image, err) < 0) {
		error_wrap(err, "image %s", named->name);
		return error_hint(err, "remove it with \"locald image remove %s\"", named->name);
	}
	add_digest(blobs, named->manifest.digest);
	add_digest(blobs, image.config_desc.digest);
	array_foreach(layer, &image.layers)
		add_digest(blobs, layer->digest);
	for (size_t i = 0; i < image.diff_ids.len; i++)
		add_digest(layers, image.diff_ids.items[i]);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int remove_dead(int dir, const char *name, void *data, struct error *err)
{
	struct garbage *garbage = data;
	struct stat st;

	if (garbage->live.len > 0 &&
	    bsearch(&name, garbage->live.items, garbage->live.len, sizeof(char *), compare_names))
		return 0;
	if (garbage->is_layers) {
		if (owned_tree_remove(dir, name, err) < 0)
			return -1;
		garbage->count->layers++;
		return 0;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || unlinkat(dir, name, 0) < 0)
		return error_errno(err, errno, "remove blob %s", name);
	garbage->count->blobs++;
	garbage->count->bytes += st.st_size;
	return 0;
}

static int take_alone(const struct store *store, struct error *err)
{
	if (flock(store->dir, LOCK_EX | LOCK_NB) == 0)
		return 0;
	/* The attempt gave up the lock that every open store holds. */
	flock(store->dir, LOCK_SH);
	return error_set(err, ERR_CONFLICT, "the image store is in use by another job");
}

static int find_live(const struct store *store, const struct strv *keep, struct strv *blobs,
                     struct strv *layers, struct error *err)
{
	cleanup(store_images_release) struct store_images images = {0};

	if (store_list(store, &images, err) < 0)
		return -1;
	array_foreach(image, &images.items)
		if (add_image(store, image, blobs, layers, err) < 0)
			return -1;
	for (size_t i = 0; i < keep->len; i++)
		if (digest_is_valid(keep->items[i]))
			add_digest(layers, keep->items[i]);
	strv_sort(blobs);
	strv_sort(layers);
	return 0;
}

static int collect(struct store *store, const struct strv *keep, struct store_gc *count,
                   struct error *err)
{
	struct garbage blobs = {.count = count};
	struct garbage layers = {.count = count, .is_layers = true};
	int result = find_live(store, keep, &blobs.live, &layers.live, err);

	if (result == 0)
		result = each_entry(store, "blobs/sha256", remove_dead, &blobs, err);
	if (result == 0)
		result = each_entry(store, "layers", remove_dead, &layers, err);
	strv_release(&blobs.live);
	strv_release(&layers.live);
	return result;
}

int store_gc(struct store *store, const struct strv *keep, struct store_gc *ret, struct error *err)
{
	struct store_gc count = {0};
	int result;

	if (take_alone(store, err) < 0)
		return -1;
	result = collect(store, keep, &count, err);
	flock(store->dir, LOCK_SH);
	if (result == 0)
		*ret = count;
	return result;
}
