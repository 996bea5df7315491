#include "oci/import_archive.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>

#define INDEX_DEPTH 4
#define CHUNK       (256 * 1024)

static void free_archive(struct archive **archive)
{
	archive_read_free(*archive);
}

/* What stands first in an archive of images, and never in a root file system. */
static bool is_image_part(const char *name)
{
	static const char *const parts[] = {"oci-layout",   "index.json", "manifest.json",
	                                    "repositories", "blobs",      "blobs/"};

	while (str_starts(name, "./"))
		name += 2;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (str_eq(name, parts[i]))
			return true;
	return str_starts(name, "blobs/sha256") || strspn(name, "0123456789abcdef") == 64;
}

int import_archive_detect(int fd, struct error *err)
{
	cleanup(free_archive) struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int result;

	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_format_tar(archive);
	if (archive_read_open_fd(archive, fd, CHUNK) != ARCHIVE_OK)
		return error_set(err, ERR_USAGE, "not a tar file: %s",
		                 archive_error_string(archive));
	result = archive_read_next_header(archive, &entry);
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
		error_set(err, ERR_USAGE, "not a tar file");
		return error_hint(err, "give a tar, tar.gz or tar.zst of a root file system, an "
		                       "image archive, or an OCI layout directory");
	}
	result = archive_entry_pathname(entry) && is_image_part(archive_entry_pathname(entry));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "rewind");
	return result;
}

static int open_part(const struct import_archive *archive, const char *path, struct error *err)
{
	return fs_open_beneath(archive->dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, err);
}

static int read_part(const struct import_archive *archive, const char *path, struct strbuf *out,
                     struct error *err)
{
	cleanup_close int fd = open_part(archive, path, err);

	if (fd < 0)
		return -1;
	if (fd_read_to_end(fd, out, STORE_JSON_MAX, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

static bool has_part(const struct import_archive *archive, const char *path)
{
	return faccessat(archive->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int copy_to_blob(int fd, struct blob_writer *blob, struct error *err)
{
	cleanup_free char *buf = xmalloc(CHUNK);

	for (;;) {
		ssize_t n = read(fd, buf, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read");
		if (n == 0)
			return 0;
		if (blob_writer_add(blob, buf, (size_t)n, err) < 0)
			return -1;
	}
}

static int copy_blob(struct import_archive *archive, const char *digest, struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	cleanup_free char *path = xasprintf("blobs/sha256/%s", digest + strlen("sha256:"));
	cleanup_close int fd = -1;

	if (store_has_blob(archive->store, digest))
		return 0;
	fd = open_part(archive, path, err);
	if (fd < 0 || store_begin_blob(archive->store, &blob, err) < 0 ||
	    copy_to_blob(fd, &blob, err) < 0)
		return error_wrap(err, "blob %s", digest);
	return blob_writer_commit(&blob, digest, NULL, err);
}

/* Unpacks from `fd`; the uncompressed tar becomes `tee` where that is not -1. */
static int unpack_part(struct import_archive *archive, int fd, int tee, const char *diff_id,
                       struct unpack_result *ret, struct error *err)
{
	struct unpack_request request = {
		.store = archive->store,
		.map = archive->map,
		.fd = fd,
		.tee = tee,
		.expected = diff_id,
		.limits = archive->limits,
		.events = archive->events,
	};

	if (unpack_layer(&request, ret, err) < 0)
		return -1;
	archive->bytes += ret->file_bytes;
	archive->skipped += ret->skipped;
	return 0;
}

static int take_layer(struct import_archive *archive, const struct descriptor *layer,
                      const char *diff_id, struct error *err)
{
	cleanup_close int fd = -1;
	struct unpack_result ignored;

	if (copy_blob(archive, layer->digest, err) < 0)
		return -1;
	if (store_has_layer(archive->store, diff_id))
		return 0;
	fd = store_open_blob(archive->store, layer->digest, NULL, err);
	if (fd < 0 || unpack_part(archive, fd, -1, diff_id, &ignored, err) < 0)
		return error_wrap(err, "layer %s", layer->digest);
	return 0;
}

/* ---- OCI layout ---- */

static int sole_manifest(const struct strbuf *index, struct descriptor *ret, struct error *err)
{
	cleanup_json json_t *value = json_parse(index->buf, index->len, err);
	const json_t *manifests = json_object_get(value, "manifests");
	const json_t *only = json_array_get(manifests, 0);
	const char *digest = json_get_str(only, "digest", "");

	if (!value)
		return error_wrap(err, "index.json");
	if (json_array_size(manifests) != 1)
		return image_choose_platform(index->buf, index->len, ret, err);
	if (digest_check(digest, err) < 0)
		return error_wrap(err, "index.json");
	*ret = (struct descriptor){.media_type = xstrdup(json_get_str(only, "mediaType", "")),
	                           .size = json_get_int(only, "size", 0)};
	str_copy(ret->digest, sizeof(ret->digest), digest);
	return 0;
}

/* Goes through indexes of indexes to the manifest for this machine. */
static int find_manifest(struct import_archive *archive, struct descriptor *ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf index = STRBUF_INIT;
	cleanup(descriptor_release) struct descriptor found = {0};

	if (read_part(archive, "index.json", &index, err) < 0)
		return -1;
	for (int depth = 0; depth < INDEX_DEPTH; depth++) {
		struct descriptor next = {0};

		if (sole_manifest(&index, &next, err) < 0)
			return -1;
		descriptor_release(&found);
		found = next;
		if (copy_blob(archive, found.digest, err) < 0)
			return -1;
		if (!media_is_index(found.media_type)) {
			descriptor_copy(ret, &found);
			return 0;
		}
		strbuf_reset(&index);
		if (store_read_blob(archive->store, found.digest, &index, err) < 0)
			return -1;
	}
	return error_set(err, ELOOP, "an index of indexes of indexes");
}

static int take_layout(struct import_archive *archive, struct image *ret, struct error *err)
{
	cleanup(descriptor_release) struct descriptor manifest = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(image_release) struct image parts = IMAGE_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;

	if (find_manifest(archive, &manifest, err) < 0 ||
	    store_read_blob(archive->store, manifest.digest, &text, err) < 0 ||
	    image_parse_manifest(text.buf, text.len, &parts, err) < 0 ||
	    copy_blob(archive, parts.config_desc.digest, err) < 0 ||
	    image_load_manifest(archive->store, &manifest, &image, err) < 0)
		return -1;
	for (size_t i = 0; i < image.layers.len; i++)
		if (take_layer(archive, &image.layers.items[i], image.diff_ids.items[i], err) < 0)
			return -1;
	*ret = image;
	image = (struct image)IMAGE_INIT;
	return 0;
}

/* ---- docker-archive ---- */

/* The layer as it is, or what it unpacks to: the store keeps such layers uncompressed. */
static int take_tar(struct import_archive *archive, const char *path, const char *diff_id,
                    struct descriptor *ret, struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	cleanup_close int fd = open_part(archive, path, err);
	struct unpack_result unpacked;

	if (fd < 0 || store_begin_blob(archive->store, &blob, err) < 0 ||
	    unpack_part(archive, fd, blob.fd, diff_id, &unpacked, err) < 0 ||
	    blob_writer_commit_as(&blob, diff_id, err) < 0)
		return error_wrap(err, "%s", path);
	*ret = (struct descriptor){.media_type = xstrdup(MEDIA_LAYER), .size = unpacked.tar_bytes};
	str_copy(ret->digest, sizeof(ret->digest), diff_id);
	return 0;
}

static int parse_docker_manifest(const struct strbuf *text, const char **config, json_t **layers,
                                 json_t **ret, struct error *err)
{
	cleanup_json json_t *manifest = json_parse(text->buf, text->len, err);
	json_t *image = json_array_get(manifest, 0);

	if (!manifest)
		return error_wrap(err, "manifest.json");
	if (json_array_size(manifest) > 1)
		return error_set(err, ERR_UNSUPPORTED,
		                 "archives of several images are not supported yet");
	*config = json_get_str(image, "Config", NULL);
	*layers = json_object_get(image, "Layers");
	if (!*config || !json_is_array(*layers) || json_array_size(*layers) > IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "manifest.json describes no image");
	*ret = take_ptr(manifest);
	return 0;
}

static int take_docker_archive(struct import_archive *archive, struct image *ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf config = STRBUF_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup_json json_t *manifest = NULL;
	const char *config_path = NULL;
	json_t *layers = NULL;

	if (read_part(archive, "manifest.json", &text, err) < 0 ||
	    parse_docker_manifest(&text, &config_path, &layers, &manifest, err) < 0 ||
	    read_part(archive, config_path, &config, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(layers); i++)
		*array_add(&image.layers) = (struct descriptor){0};
	if (image_parse_config(config.buf, config.len, &image, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(layers); i++) {
		const char *path = json_string_value(json_array_get(layers, i));

		if (!path)
			return error_set(err, EINVAL, "manifest.json describes no image");
		if (take_tar(archive, path, image.diff_ids.items[i], &image.layers.items[i], err) <
		    0)
			return -1;
	}
	if (image_commit(archive->store, &image, err) < 0)
		return -1;
	*ret = image;
	image = (struct image)IMAGE_INIT;
	return 0;
}

int import_archive_dir(struct import_archive *archive, struct image *ret, struct error *err)
{
	if (has_part(archive, "oci-layout"))
		return take_layout(archive, ret, err);
	if (has_part(archive, "manifest.json"))
		return take_docker_archive(archive, ret, err);
	error_set(err, ERR_USAGE, "no image in it: neither oci-layout nor manifest.json");
	return error_hint(err, "to import a root file system, give it as a tar file");
}
