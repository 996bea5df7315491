#include "lifecycle/image_layer.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (1024 * 1024)

struct output {
	int fd; /* -1: only the digest is wanted */
	struct sha256 sha;
	int64_t size;
	char *buffer;
	size_t used;
	char *temporary;
};

static void output_release(struct output *out)
{
	close_fd(&out->fd);
	free(out->buffer);
	if (out->temporary)
		unlink(out->temporary);
	free(out->temporary);
}

static int flush(struct output *out, struct error *err)
{
	size_t len = out->used;

	out->used = 0;
	sha256_add(&out->sha, out->buffer, len);
	return out->fd < 0 ? 0 : fd_write_all(out->fd, out->buffer, len, err);
}

static int sink(const void *bytes, size_t len, void *data, struct error *err)
{
	struct output *out = data;
	const char *at = bytes;

	out->size += (int64_t)len;
	while (len > 0) {
		size_t room = BUFFER_SIZE - out->used;
		size_t chunk = len < room ? len : room;

		memcpy(out->buffer + out->used, at, chunk);
		out->used += chunk;
		at += chunk;
		len -= chunk;
		if (out->used == BUFFER_SIZE && flush(out, err) < 0)
			return -1;
	}
	return 0;
}

static int produce(struct output *out, image_layer_fn *fill, void *data, struct image_layer *ret,
                   struct error *err)
{
	struct tar_writer tar = {.sink = sink, .data = out};

	out->buffer = xmalloc(BUFFER_SIZE);
	sha256_init(&out->sha);
	if (fill(&tar, data, err) < 0 || tar_writer_end(&tar, err) < 0 || flush(out, err) < 0)
		return -1;
	sha256_digest(&out->sha, ret->digest);
	ret->size = out->size;
	return 0;
}

static int hash_only(image_layer_fn *fill, void *data, struct image_layer *ret, struct error *err)
{
	cleanup(output_release) struct output out = {.fd = -1};

	return produce(&out, fill, data, ret, err);
}

int image_layer_make(const char *dir, const char *known, image_layer_fn *fill, void *data,
                     struct image_layer *ret, struct error *err)
{
	cleanup(output_release) struct output out = {.fd = -1};
	cleanup_free char *path = NULL;

	ret->is_known = false;
	if (!str_empty(known)) {
		if (hash_only(fill, data, ret, err) < 0)
			return -1;
		ret->is_known = str_eq(ret->digest, known);
		if (ret->is_known)
			return 0;
	}
	out.temporary = xasprintf("%s/blobs/sha256/layer.XXXXXX", dir);
	out.fd = mkostemp(out.temporary, O_CLOEXEC);
	if (out.fd < 0) {
		error_errno(err, errno, "make %s", out.temporary);
		free(take_ptr(out.temporary));
		return -1;
	}
	if (produce(&out, fill, data, ret, err) < 0)
		return -1;
	path = layout_blob_path(dir, ret->digest);
	if (fchmod(out.fd, 0644) < 0 || rename(out.temporary, path) < 0)
		return error_errno(err, errno, "make blob %s", path);
	free(take_ptr(out.temporary));
	return 0;
}
