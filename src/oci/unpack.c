#include "oci/unpack.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/userns.h"
#include "oci/extract.h"
#include "oci/layer_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DEFAULT_BYTES   ((int64_t)20 << 30)
#define DEFAULT_ENTRIES 1000000
#define DEFAULT_RATIO   200
#define ENTRY_OVERHEAD  4096 /* headers and padding of one entry, generously */
#define PROGRESS_MS     200

struct tar_source {
	struct layer_stream *stream;
	struct error *err; /* of the stream; libarchive would only keep a text */
};

static la_ssize_t read_tar(struct archive *archive, void *data, const void **ret)
{
	struct tar_source *source = data;
	ssize_t n = layer_stream_next(source->stream, ret, source->err);

	if (n >= 0)
		return n;
	archive_set_error(archive, source->err->code, "%s", source->err->text);
	return ARCHIVE_FATAL;
}

static struct unpack_limits with_defaults(const struct unpack_limits *limits)
{
	return (struct unpack_limits){
		.bytes = limits->bytes > 0 ? limits->bytes : DEFAULT_BYTES,
		.entries = limits->entries > 0 ? limits->entries : DEFAULT_ENTRIES,
		.ratio = limits->ratio > 0 ? limits->ratio : DEFAULT_RATIO,
	};
}

static void report(const struct extractor *ex, int64_t *next_ms)
{
	int64_t now = clock_mono_ms();

	if (!ex->events.progress || now < *next_ms)
		return;
	*next_ms = now + PROGRESS_MS;
	ex->events.progress(ex->result->file_bytes, ex->result->entries, ex->events.data);
}

static int next_entry(struct archive *archive, struct tar_source *source,
                      struct archive_entry **ret, struct error *err)
{
	int result = archive_read_next_header(archive, ret);
	const char *text = archive_error_string(archive);

	if (result == ARCHIVE_EOF)
		return 0;
	/* A warning is about the text of a name; its bytes are there. */
	if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
		return 1;
	if (source->err->code != 0)
		return error_move(err, source->err);
	return error_set(err, EINVAL, "not a valid tar archive: %s", text ? text : "damaged");
}

static int extract_all(struct archive *archive, struct tar_source *source, struct extractor *ex,
                       struct error *err)
{
	struct archive_entry *entry;
	int64_t next_ms = 0;
	int more;

	while ((more = next_entry(archive, source, &entry, err)) > 0) {
		if (extractor_add(ex, archive, entry, err) < 0) {
			/* What the stream met is the reason, not what libarchive made of it. */
			if (source->err->code != 0)
				error_move(err, source->err);
			return -1;
		}
		report(ex, &next_ms);
	}
	if (more < 0 || extractor_finish(ex, err) < 0)
		return -1;
	return layer_stream_drain(source->stream, err);
}

static void free_archive(struct archive **archive)
{
	archive_read_free(*archive);
}

static int extract_stream(int fd, int tee, struct extractor *ex, struct error *err)
{
	struct layer_stream_limits limits = {
		.bytes = ex->limits.bytes + ex->limits.entries * ENTRY_OVERHEAD,
		.ratio = ex->limits.ratio,
	};
	cleanup(error_release) struct error stream_err = ERROR_INIT;
	cleanup(freep_layer_stream) struct layer_stream *stream =
		layer_stream_new(fd, tee, &limits, err);
	cleanup(free_archive) struct archive *archive = archive_read_new();
	struct tar_source source = {stream, &stream_err};

	if (!stream || !archive)
		return -1;
	archive_read_support_format_tar(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open(archive, &source, NULL, read_tar, NULL) != ARCHIVE_OK) {
		if (stream_err.code != 0)
			return error_move(err, &stream_err);
		return error_set(err, EINVAL, "not a tar archive: %s",
		                 archive_error_string(archive));
	}
	if (extract_all(archive, &source, ex, err) < 0)
		return -1;
	ex->result->tar_bytes = layer_stream_bytes(stream);
	layer_stream_digest(stream, ex->result->diff_id);
	return 0;
}

struct unpack_call {
	const struct unpack_request *request;
	int dir;
	struct unpack_result *result; /* shared with the parent */
};

static int unpack_inside(void *data, struct error *err)
{
	const struct unpack_call *call = data;
	cleanup(extractor_release) struct extractor ex = EXTRACTOR_INIT;

	umask(0);
	/* In any other locale libarchive would rewrite names it takes for UTF-8. */
	setlocale(LC_ALL, "C");
	ex.root = call->dir;
	ex.drops_owners = call->request->map->is_single;
	ex.limits = with_defaults(&call->request->limits);
	ex.events = call->request->events;
	ex.result = call->result;
	return extract_stream(call->request->fd, call->request->tee, &ex, err);
}

static int unpack_into(const struct unpack_request *request, int dir, struct unpack_result *ret,
                       struct error *err)
{
	struct unpack_call call = {.request = request, .dir = dir};
	int result;

	call.result = mmap(NULL, sizeof(*call.result), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (call.result == MAP_FAILED)
		return error_errno(err, errno, "mmap");
	result = userns_run(request->map, unpack_inside, &call, err);
	*ret = *call.result;
	munmap(call.result, sizeof(*call.result));
	return result;
}

int unpack_layer(const struct unpack_request *request, struct unpack_result *ret, struct error *err)
{
	cleanup(layer_writer_release) struct layer_writer layer = LAYER_WRITER_INIT;
	struct unpack_result result = {0};

	if (store_begin_layer(request->store, request->map, &layer, err) < 0 ||
	    unpack_into(request, layer.dir, &result, err) < 0)
		return -1;
	if (request->expected && !str_eq(request->expected, result.diff_id))
		return error_set(err, EBADMSG, "layer: diff id mismatch: expected %s, got %s",
		                 request->expected, result.diff_id);
	if (layer_writer_commit(&layer, result.diff_id, err) < 0)
		return -1;
	*ret = result;
	return 0;
}

int unpack_blob(struct store *store, const struct userns_map *map, const char *digest,
                const char *diff_id, const struct unpack_events *events, struct error *err)
{
	struct unpack_request request = {
		.store = store, .map = map, .fd = -1, .tee = -1, .expected = diff_id};
	struct unpack_result ignored;
	cleanup_close int fd = -1;

	if (store_has_layer(store, diff_id))
		return 0;
	fd = store_open_blob(store, digest, NULL, err);
	if (fd < 0)
		return -1;
	request.fd = fd;
	if (events)
		request.events = *events;
	if (unpack_layer(&request, &ignored, err) < 0)
		return error_wrap(err, "layer %s", digest);
	return 0;
}

int unpack_plain(int fd, int dir, const struct unpack_limits *limits, struct error *err)
{
	cleanup(extractor_release) struct extractor ex = EXTRACTOR_INIT;
	struct unpack_result result = {0};

	ex.root = dir;
	ex.is_plain = true;
	ex.drops_owners = true;
	ex.limits = with_defaults(limits);
	ex.result = &result;
	return extract_stream(fd, -1, &ex, err);
}
