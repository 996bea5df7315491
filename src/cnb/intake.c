#include "cnb/intake.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/unpack.h"

#include <errno.h>
#include <fcntl.h>

static int open_file(const char *layout, const char *digest, struct error *err)
{
	cleanup_free char *path = NULL;
	int fd;

	if (digest_check(digest, err) < 0)
		return -1;
	path = xasprintf("%s/blobs/sha256/%s", layout, digest + strlen("sha256:"));
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "open %s", path) : fd;
}

/* A JSON blob, read from the layout, checked, added to the store. */
static int take_json(struct store *store, const char *layout, const char *digest,
                     struct strbuf *ret, struct error *err)
{
	cleanup_free char *path = NULL;
	char actual[SHA256_DIGEST_SIZE];

	if (digest_check(digest, err) < 0)
		return -1;
	path = xasprintf("%s/blobs/sha256/%s", layout, digest + strlen("sha256:"));
	if (fs_read_file(path, STORE_JSON_MAX, ret, err) < 0 ||
	    store_add_blob(store, ret->buf, ret->len, actual, err) < 0)
		return -1;
	return str_eq(actual, digest) ? 0
	                              : error_set(err, EBADMSG, "%s has digest %s", path, actual);
}

/* Unpacks an uncompressed layer and keeps its tar as the blob, in one pass. */
static int take_layer(struct store *store, const struct userns_map *map, const char *layout,
                      const char *digest, const char *diff_id, struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	cleanup_close int fd = -1;
	struct unpack_result unpacked;
	struct unpack_request request = {
		.store = store, .map = map, .tee = -1, .expected = diff_id};

	if (store_has_blob(store, digest) && store_has_layer(store, diff_id))
		return 0;
	if (store_has_blob(store, digest))
		return unpack_blob(store, map, digest, diff_id, NULL, err);
	if (!str_eq(digest, diff_id))
		return error_set(err, EBADMSG, "layer %s is not an uncompressed tar", digest);
	fd = open_file(layout, digest, err);
	if (fd < 0 || store_begin_blob(store, &blob, err) < 0)
		return -1;
	request.fd = fd;
	request.tee = blob.fd;
	if (unpack_layer(&request, &unpacked, err) < 0)
		return -1;
	return blob_writer_commit_as(&blob, digest, err);
}

static int take_layers(struct store *store, const struct userns_map *map, const char *layout,
                       const struct image *image, struct error *err)
{
	for (size_t i = 0; i < image->layers.len; i++)
		if (take_layer(store, map, layout, image->layers.items[i].digest,
		               image->diff_ids.items[i], err) < 0)
			return error_wrap(err, "layer %zu", i + 1);
	return 0;
}

int intake_image(struct store *store, const struct userns_map *map, const char *layout,
                 struct image *ret, struct error *err)
{
	cleanup_free char *index_path = path_join(layout, "index.json");
	cleanup_json json_t *index = json_parse_file(index_path, STORE_JSON_MAX, err);
	cleanup(strbuf_release) struct strbuf manifest = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf config = STRBUF_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct descriptor descriptor = {.media_type = (char *)MEDIA_MANIFEST};
	const char *digest;

	if (!index)
		return -1;
	if (json_need_str(json_array_get(json_object_get(index, "manifests"), 0), "digest", &digest,
	                  err) < 0)
		return error_wrap(err, "%s", index_path);
	if (take_json(store, layout, digest, &manifest, err) < 0 ||
	    image_parse_manifest(manifest.buf, manifest.len, &image, err) < 0 ||
	    take_json(store, layout, image.config_desc.digest, &config, err) < 0 ||
	    image_parse_config(config.buf, config.len, &image, err) < 0 ||
	    take_layers(store, map, layout, &image, err) < 0)
		return error_wrap(err, "take over the built image");
	str_copy(descriptor.digest, sizeof(descriptor.digest), digest);
	descriptor.size = (int64_t)manifest.len;
	return image_load_manifest(store, &descriptor, ret, err);
}
