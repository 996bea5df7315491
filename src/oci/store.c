#include "oci/store.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define REF_NAME "org.opencontainers.image.ref.name"
#define LAYOUT   "{\"imageLayoutVersion\":\"1.0.0\"}\n"

void descriptor_release(struct descriptor *desc)
{
	free(desc->media_type);
	*desc = (struct descriptor){0};
}

void descriptor_copy(struct descriptor *dst, const struct descriptor *src)
{
	char *media_type = xstrdup_null(src->media_type);

	*dst = *src;
	dst->media_type = media_type;
}

bool digest_is_valid(const char *digest)
{
	return str_starts(digest, "sha256:") && strlen(digest) == SHA256_DIGEST_SIZE - 1 &&
	       strspn(digest + strlen("sha256:"), "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}

int digest_check(const char *digest, struct error *err)
{
	if (digest_is_valid(digest))
		return 0;
	if (str_starts(digest, "sha512:"))
		return error_set(err, ERR_UNSUPPORTED, "sha512 digests are not supported yet");
	return error_set(err, ERR_USAGE, "\"%s\" is no sha256 digest", digest);
}

static int make_layout(const char *path, struct error *err)
{
	static const char *const dirs[] = {"blobs", "blobs/sha256", "layers"};
	cleanup_free char *layout = path_join(path, "oci-layout");
	cleanup_free char *index = path_join(path, "index.json");
	static const char empty[] = "{\"schemaVersion\":2,\"manifests\":[]}\n";

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		cleanup_free char *dir = path_join(path, dirs[i]);

		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make directory %s", dir);
	}
	if (!fs_exists(index) && fs_write_atomic(index, empty, strlen(empty), 0600, err) < 0)
		return -1;
	return fs_write_atomic(layout, LAYOUT, strlen(LAYOUT), 0600, err);
}

int store_open(const char *path, struct store *ret, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup_free char *layout = path_join(path, "oci-layout");
	cleanup_free char *lock_path = path_join(path, "store.lock");
	cleanup_close int lock = -1;

	if (fs_mkdirs_private(path, err) < 0)
		return error_wrap(err, "image store");
	store.path = path_real(path, err);
	store.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!store.path || store.dir < 0)
		return error_errno(err, errno, "image store %s", path);
	/* Held shared for as long as the store is open; see store_gc(). */
	while (flock(store.dir, LOCK_SH) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "lock %s", path);
	if (!fs_exists(layout)) {
		lock = fs_lock(lock_path, true, err);
		if (lock < 0 || (!fs_exists(layout) && make_layout(path, err) < 0))
			return error_wrap(err, "image store");
	}
	*ret = store;
	store = (struct store)STORE_INIT;
	return 0;
}

void store_release(struct store *store)
{
	free(store->path);
	close_fd(&store->dir);
	*store = (struct store)STORE_INIT;
}

static int read_index(const struct store *store, json_t **ret, struct error *err)
{
	cleanup_free char *path = path_join(store->path, "index.json");
	cleanup_json json_t *index = json_parse_file(path, STORE_JSON_MAX, err);

	if (!index)
		return error_wrap(err, "image store");
	if (!json_is_array(json_object_get(index, "manifests"))) {
		error_set(err, EINVAL, "%s has no list of manifests", path);
		return error_hint(err, "the file was damaged; remove it to start with no images");
	}
	*ret = take_ptr(index);
	return 0;
}

static int write_index(struct store *store, const json_t *index, struct error *err)
{
	cleanup_free char *path = path_join(store->path, "index.json");
	cleanup_free char *text = json_text(index);

	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

/* Borrowed; NULL for an entry without a name, which other tools may have put there. */
static const char *entry_name(const json_t *entry)
{
	return json_get_str(json_object_get(entry, "annotations"), REF_NAME, NULL);
}

static bool entry_parse(const json_t *entry, struct descriptor *ret)
{
	const char *digest = json_get_str(entry, "digest", "");

	if (!digest_is_valid(digest))
		return false;
	*ret = (struct descriptor){
		.media_type = xstrdup(json_get_str(entry, "mediaType", "")),
		.size = json_get_int(entry, "size", 0),
	};
	str_copy(ret->digest, sizeof(ret->digest), digest);
	return true;
}

static int compare_images(const void *a, const void *b)
{
	const struct store_image *first = a, *second = b;

	return strcmp(first->name, second->name);
}

void store_images_release(struct store_images *images)
{
	array_foreach(image, &images->items) {
		free(image->name);
		descriptor_release(&image->manifest);
	}
	array_release(&images->items);
}

int store_list(const struct store *store, struct store_images *ret, struct error *err)
{
	cleanup_json json_t *index = NULL;
	const json_t *entry;
	size_t i;

	if (read_index(store, &index, err) < 0)
		return -1;
	*ret = (struct store_images){0};
	json_array_foreach(json_object_get(index, "manifests"), i, entry) {
		struct descriptor manifest;

		if (entry_name(entry) && entry_parse(entry, &manifest))
			*array_add(&ret->items) =
				(struct store_image){xstrdup(entry_name(entry)), manifest};
	}
	array_sort(&ret->items, compare_images);
	return 0;
}

static bool remove_entry(json_t *index, const char *name)
{
	json_t *manifests = json_object_get(index, "manifests");

	for (size_t i = 0; i < json_array_size(manifests); i++) {
		if (!str_eq_null(entry_name(json_array_get(manifests, i)), name))
			continue;
		json_array_remove(manifests, i);
		return true;
	}
	return false;
}

static json_t *entry_new(const char *name, const struct descriptor *manifest)
{
	json_t *entry = json_object();
	json_t *annotations = json_object();

	json_set_str(entry, "mediaType", manifest->media_type);
	json_set_str(entry, "digest", manifest->digest);
	json_set_int(entry, "size", manifest->size);
	json_set_str(annotations, REF_NAME, name);
	json_object_set_new(entry, "annotations", annotations);
	return entry;
}

int store_lock(const struct store *store, struct error *err)
{
	cleanup_free char *path = path_join(store->path, "store.lock");

	return fs_lock(path, true, err);
}

int store_set_name(struct store *store, const char *name, const struct descriptor *manifest,
                   struct error *err)
{
	cleanup_close int lock = store_lock(store, err);
	cleanup_json json_t *index = NULL;

	if (lock < 0)
		return -1;
	if (!store_has_blob(store, manifest->digest))
		return error_set(err, ERR_NOT_FOUND, "manifest %s is not in the store",
		                 manifest->digest);
	/* A name must never outlive, in a crash of the machine, what it points to. */
	if (syncfs(store->dir) < 0)
		return error_errno(err, errno, "write the image store to disk");
	if (read_index(store, &index, err) < 0)
		return -1;
	remove_entry(index, name);
	json_array_append_new(json_object_get(index, "manifests"), entry_new(name, manifest));
	return write_index(store, index, err);
}

static int not_found(const struct store *store, const char *name, struct error *err)
{
	cleanup(store_images_release) struct store_images images = {0};
	cleanup(strv_release) struct strv names = STRV_INIT;
	const char *nearest;

	if (store_list(store, &images, err) < 0)
		return -1;
	array_foreach(image, &images.items)
		strv_add(&names, image->name);
	nearest = str_nearest(name, (const char *const *)names.items, names.len);
	error_set(err, ERR_NOT_FOUND, "there is no image %s", name);
	if (nearest)
		error_hint(err, "did you mean %s?", nearest);
	return -1;
}

int store_remove_name(struct store *store, const char *name, struct error *err)
{
	cleanup_close int lock = store_lock(store, err);
	cleanup_json json_t *index = NULL;

	if (lock < 0 || read_index(store, &index, err) < 0)
		return -1;
	if (!remove_entry(index, name))
		return not_found(store, name, err);
	return write_index(store, index, err);
}

static bool find_exact(const struct store_images *images, const char *name, struct descriptor *ret,
                       char **ret_name)
{
	array_foreach(image, &images->items) {
		if (!str_eq(image->name, name))
			continue;
		descriptor_copy(ret, &image->manifest);
		if (ret_name)
			*ret_name = xstrdup(name);
		return true;
	}
	return false;
}

int store_find(const struct store *store, const char *text, struct descriptor *ret, char **ret_name,
               struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(store_images_release) struct store_images images = {0};
	cleanup(reference_release) struct reference ref = REFERENCE_INIT;
	cleanup_free char *canonical = NULL;

	if (store_list(store, &images, err) < 0)
		return -1;
	if (find_exact(&images, text, ret, ret_name))
		return 0;
	/* Not even a reference: then the text is simply not the name of an image. */
	if (reference_parse(text, &ref, &ignored) < 0)
		return not_found(store, text, err);
	canonical = reference_text(&ref);
	if (find_exact(&images, canonical, ret, ret_name))
		return 0;
	return not_found(store, text, err);
}
