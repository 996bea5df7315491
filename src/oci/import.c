#include "oci/import.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/userns.h"
#include "oci/image.h"
#include "oci/import_archive.h"
#include "oci/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void import_result_release(struct import_result *result)
{
	descriptor_release(&result->manifest);
}

static bool changes_config(const struct import_request *request)
{
	return request->env.len > 0 || request->entrypoint.len > 0 || request->cmd.len > 0 ||
	       request->labels.len > 0 || request->user || request->working_dir;
}

static int add_env(const struct import_request *request, struct image *image, struct error *err)
{
	cleanup(strv_release) struct strv env = STRV_INIT;

	if (image_env(image, &env, err) < 0)
		return -1;
	for (size_t i = 0; i < request->env.len; i++) {
		const char *entry = request->env.items[i];
		const char *equals = strchr(entry, '=');
		cleanup_free char *name = NULL;

		if (!equals || equals == entry)
			return error_set(err, ERR_USAGE, "\"%s\" is not NAME=value", entry);
		name = xstrndup(entry, (size_t)(equals - entry));
		strv_env_set(&env, name, equals + 1);
	}
	image_set_env(image, &env);
	return 0;
}

static int add_labels(const struct import_request *request, struct image *image, struct error *err)
{
	for (size_t i = 0; i < request->labels.len; i++) {
		const char *entry = request->labels.items[i];
		const char *equals = strchr(entry, '=');
		cleanup_free char *name = NULL;

		if (!equals || equals == entry)
			return error_set(err, ERR_USAGE, "label \"%s\" is not NAME=value", entry);
		name = xstrndup(entry, (size_t)(equals - entry));
		image_set_label(image, name, equals + 1);
	}
	return 0;
}

static int change_config(const struct import_request *request, struct image *image,
                         struct error *err)
{
	if (add_env(request, image, err) < 0 || add_labels(request, image, err) < 0)
		return -1;
	if (request->entrypoint.len > 0)
		image_set_entrypoint(image, &request->entrypoint);
	if (request->cmd.len > 0)
		image_set_cmd(image, &request->cmd);
	if (request->user)
		image_set_user(image, request->user);
	if (request->working_dir && *request->working_dir != '/')
		return error_set(err, ERR_USAGE, "working directory \"%s\" is not absolute",
		                 request->working_dir);
	if (request->working_dir)
		image_set_working_dir(image, request->working_dir);
	return 0;
}

/* A root file system says nothing of itself: the image says what every image should. */
static void describe_rootfs(struct image *image, const struct unpack_result *unpacked)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	struct descriptor layer = {.media_type = (char *)MEDIA_LAYER, .size = unpacked->tar_bytes};
	char created[CLOCK_TEXT_SIZE];

	clock_format_utc(clock_real_ns(), created);
	str_copy(layer.digest, sizeof(layer.digest), unpacked->diff_id);
	image_init_empty(image);
	image_set_created(image, created);
	image_add_layer(image, &layer, unpacked->diff_id, "locald image import");
	strv_env_set(&env, "PATH", DEFAULT_PATH);
	image_set_env(image, &env);
}

static int import_rootfs(const struct import_request *request, const struct userns_map *map, int fd,
                         struct import_result *ret, struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct unpack_request unpack = {.store = request->store,
	                                .map = map,
	                                .fd = fd,
	                                .limits = request->limits,
	                                .events = request->events};
	struct unpack_result unpacked;

	if (store_begin_blob(request->store, &blob, err) < 0)
		return -1;
	unpack.tee = blob.fd;
	if (unpack_layer(&unpack, &unpacked, err) < 0)
		return -1;
	if (unpacked.entries == 0)
		return error_set(err, ERR_USAGE, "the archive is empty");
	if (blob_writer_commit_as(&blob, unpacked.diff_id, err) < 0)
		return -1;
	describe_rootfs(&image, &unpacked);
	if (change_config(request, &image, err) < 0 ||
	    image_commit(request->store, &image, err) < 0)
		return -1;
	ret->bytes = unpacked.file_bytes;
	ret->skipped = unpacked.skipped;
	descriptor_copy(&ret->manifest, &image.manifest);
	return 0;
}

static int import_layout(const struct import_request *request, const struct userns_map *map,
                         int dir, struct import_result *ret, struct error *err)
{
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct import_archive archive = {.store = request->store,
	                                 .map = map,
	                                 .dir = dir,
	                                 .limits = request->limits,
	                                 .events = request->events};

	if (import_archive_dir(&archive, &image, err) < 0)
		return -1;
	if (changes_config(request) && (change_config(request, &image, err) < 0 ||
	                                image_commit(request->store, &image, err) < 0))
		return -1;
	ret->bytes = archive.bytes;
	ret->skipped = archive.skipped;
	descriptor_copy(&ret->manifest, &image.manifest);
	return 0;
}

/* An image archive is spread out first: its parts come in any order. */
static int import_archive(const struct import_request *request, const struct userns_map *map,
                          int fd, struct import_result *ret, struct error *err)
{
	cleanup(layer_writer_release) struct layer_writer spread = LAYER_WRITER_INIT;

	if (store_begin_layer(request->store, map, &spread, err) < 0 ||
	    unpack_plain(fd, spread.dir, &request->limits, err) < 0)
		return -1;
	return import_layout(request, map, spread.dir, ret, err);
}

static int import_file(const struct import_request *request, const struct userns_map *map, int fd,
                       struct import_result *ret, struct error *err)
{
	struct stat st;
	int is_archive;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "stat");
	if (S_ISDIR(st.st_mode))
		return import_layout(request, map, fd, ret, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "neither a tar file nor a directory");
	is_archive = import_archive_detect(fd, err);
	if (is_archive < 0)
		return -1;
	if (is_archive)
		return import_archive(request, map, fd, ret, err);
	return import_rootfs(request, map, fd, ret, err);
}

int import_image(const struct import_request *request, struct import_result *ret, struct error *err)
{
	cleanup(import_result_release) struct import_result result = {0};
	cleanup_close int fd = -1;
	struct userns_map map;

	if (reference_check_local_name(request->name, err) < 0 ||
	    userns_map_for_caller(&map, err) < 0)
		return -1;
	fd = open(request->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno == ENOENT ? ERR_NOT_FOUND : errno, "%s",
		                   request->path);
	if (import_file(request, &map, fd, &result, err) < 0)
		return error_wrap(err, "import %s", request->path);
	if (store_set_name(request->store, request->name, &result.manifest, err) < 0)
		return -1;
	*ret = result;
	result = (struct import_result){0};
	return 0;
}
