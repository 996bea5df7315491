#include "cnb/new_layer.h"

#include "base/error.h"
#include "oci/unpack.h"

static int sink(const void *bytes, size_t len, void *data, struct error *err)
{
	return blob_writer_add(data, bytes, len, err);
}

int new_layer_add(struct store *store, const struct userns_map *map, struct image *image,
                  const char *created_by, new_layer_fn *fill, void *data,
                  char ret_diff_id[SHA256_DIGEST_SIZE], struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	struct tar_writer tar = {.sink = sink, .data = &blob};
	struct descriptor descriptor = {.media_type = (char *)MEDIA_LAYER};

	if (store_begin_blob(store, &blob, err) < 0 || fill(&tar, data, err) < 0 ||
	    tar_writer_end(&tar, err) < 0)
		return error_wrap(err, "%s", created_by);
	descriptor.size = blob.size;
	if (blob_writer_commit(&blob, NULL, descriptor.digest, err) < 0 ||
	    unpack_blob(store, map, descriptor.digest, descriptor.digest, NULL, err) < 0)
		return error_wrap(err, "%s", created_by);
	image_add_layer(image, &descriptor, descriptor.digest, created_by);
	str_copy(ret_diff_id, SHA256_DIGEST_SIZE, descriptor.digest);
	return 0;
}
