#include "oci/layer_stream.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define CHUNK       (256 * 1024)
#define RATIO_FLOOR (16 * 1024 * 1024)

struct layer_stream {
	struct archive *archive;
	int fd, tee;
	struct layer_stream_limits limits;
	int64_t packed, bytes;
	bool is_empty;
	struct sha256 sha;
	char buf[CHUNK];
};

static la_ssize_t read_packed(struct archive *archive, void *data, const void **ret)
{
	struct layer_stream *stream = data;
	ssize_t n;

	do
		n = read(stream->fd, stream->buf, sizeof(stream->buf));
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(archive, errno, "%s", "read failed");
		return ARCHIVE_FATAL;
	}
	stream->packed += n;
	*ret = stream->buf;
	return n;
}

static int archive_failure(const struct layer_stream *stream, const char *what, struct error *err)
{
	int code = archive_errno(stream->archive);
	const char *text = archive_error_string(stream->archive);

	return error_set(err, code > 0 ? code : EINVAL, "%s: %s", what, text ? text : "damaged");
}

static int open_archive(struct layer_stream *stream, struct error *err)
{
	struct archive_entry *entry;
	int result;

	if (archive_read_support_filter_gzip(stream->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(stream->archive) != ARCHIVE_OK)
		return error_set(err, ERR_UNSUPPORTED, "libarchive was built without gzip or zstd");
	archive_read_support_format_raw(stream->archive);
	archive_read_support_format_empty(stream->archive);
	if (archive_read_open(stream->archive, stream, NULL, read_packed, NULL) != ARCHIVE_OK)
		return archive_failure(stream, "read the layer", err);
	result = archive_read_next_header(stream->archive, &entry);
	stream->is_empty = result == ARCHIVE_EOF;
	if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
		return archive_failure(stream, "read the layer", err);
	return 0;
}

struct layer_stream *layer_stream_new(int fd, int tee, const struct layer_stream_limits *limits,
                                      struct error *err)
{
	struct layer_stream *stream = xmalloc(sizeof(*stream));

	stream->archive = archive_read_new();
	stream->fd = fd;
	stream->tee = tee;
	stream->limits = *limits;
	stream->packed = stream->bytes = 0;
	sha256_init(&stream->sha);
	if (stream->archive && open_archive(stream, err) == 0)
		return stream;
	layer_stream_free(stream);
	return NULL;
}

void layer_stream_free(struct layer_stream *stream)
{
	if (!stream)
		return;
	archive_read_free(stream->archive);
	free(stream);
}

static int check_limits(const struct layer_stream *stream, struct error *err)
{
	if (stream->bytes > stream->limits.bytes)
		return error_set(err, EFBIG, "the layer is larger than %lld bytes",
		                 (long long)stream->limits.bytes);
	if (stream->bytes > RATIO_FLOOR && stream->bytes / stream->limits.ratio > stream->packed)
		return error_set(err, EFBIG, "the layer unpacks to more than %lld times its size",
		                 (long long)stream->limits.ratio);
	return 0;
}

ssize_t layer_stream_next(struct layer_stream *stream, const void **ret, struct error *err)
{
	la_int64_t offset;
	const void *bytes;
	size_t len;
	int result;

	if (stream->is_empty)
		return 0;
	result = archive_read_data_block(stream->archive, &bytes, &len, &offset);
	if (result == ARCHIVE_EOF) {
		stream->is_empty = true;
		return 0;
	}
	if (result != ARCHIVE_OK)
		return archive_failure(stream, "unpack the layer", err);
	stream->bytes += (int64_t)len;
	if (check_limits(stream, err) < 0)
		return -1;
	sha256_add(&stream->sha, bytes, len);
	if (stream->tee >= 0 && fd_write_all(stream->tee, bytes, len, err) < 0)
		return error_wrap(err, "image store");
	*ret = bytes;
	return (ssize_t)len;
}

int layer_stream_drain(struct layer_stream *stream, struct error *err)
{
	const void *ignored;
	ssize_t n;

	do
		n = layer_stream_next(stream, &ignored, err);
	while (n > 0);
	return (int)n;
}

int64_t layer_stream_bytes(const struct layer_stream *stream)
{
	return stream->bytes;
}

void layer_stream_digest(struct layer_stream *stream, char ret[SHA256_DIGEST_SIZE])
{
	sha256_digest(&stream->sha, ret);
}
