#include "keeper/spool.h"

#include "base/error.h"
#include "base/fd.h"
#include "keeper/log_tail.h"
#include "keeper/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE      4096UL
#define STEP      (SPOOL_SIZE + PAGE) /* with a gap, so that an offset is in one stream only */
#define FILE_SIZE (PAGE + SPOOL_STREAMS * STEP)

/* Changed whenever the layout is; another version's spool is not taken over. */
#define SPOOL_MAGIC UINT64_C(0x6c64737030303032)

struct spool_mark {
	struct log_position log;
	struct {
		uint64_t begin, is_continued;
	} streams[SPOOL_STREAMS];
};

struct spool_page {
	uint64_t magic;
	uint32_t current; /* which of the marks counts */
	struct spool_mark marks[2];
};

static off_t start_of(int stream)
{
	return (off_t)(PAGE + (size_t)stream * STEP);
}

static char *bytes_of(const struct spool *spool, int stream)
{
	return (char *)spool->page + start_of(stream);
}

static int map_file(struct spool *spool, int fd, struct error *err)
{
	void *map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return error_errno(err, errno, "map the spool");
	spool->page = map;
	return 0;
}

int spool_open(struct spool *spool, struct error *err)
{
	cleanup_close int fd = memfd_create("locald-output", MFD_CLOEXEC);
	char path[32];

	if (fd < 0 || ftruncate(fd, FILE_SIZE) < 0)
		return error_errno(err, errno, "make a spool");
	if (map_file(spool, fd, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *stream = &spool->streams[i];

		/* Each has an offset of its own. */
		stream->fd = open(path, O_RDWR | O_CLOEXEC);
		stream->can_splice = true;
		if (stream->fd < 0 || lseek(stream->fd, start_of(i), SEEK_SET) < 0)
			return error_errno(err, errno, "make a spool");
	}
	spool->page->magic = SPOOL_MAGIC;
	return 0;
}

void spool_release(struct spool *spool)
{
	if (spool->page)
		munmap(spool->page, FILE_SIZE);
	for (int i = 0; i < SPOOL_STREAMS; i++)
		close_fd(&spool->streams[i].fd);
	*spool = (struct spool)SPOOL_INIT;
}

static bool find_offset(struct spool_stream *stream, int number)
{
	off_t at = lseek(stream->fd, 0, SEEK_CUR) - start_of(number);

	if (at < 0 || at > (off_t)SPOOL_SIZE)
		return false;
	stream->begin = 0;
	stream->end = (size_t)at;
	return true;
}

bool spool_adopt(struct spool *spool, const int fds[SPOOL_STREAMS])
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct stat first, st;

	for (int i = 0; i < SPOOL_STREAMS; i++) {
		if (fstat(fds[i], &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != FILE_SIZE)
			return false;
		if (i == 0)
			first = st;
		else if (st.st_ino != first.st_ino || st.st_dev != first.st_dev)
			return false;
	}
	if (map_file(spool, fds[0], &err) < 0)
		return false;
	for (int i = 0; i < SPOOL_STREAMS; i++) {
		spool->streams[i] = (struct spool_stream){.fd = fds[i], .can_splice = true};
		if (spool->page->magic != SPOOL_MAGIC || spool->page->current > 1 ||
		    !find_offset(&spool->streams[i], i))
			return false;
	}
	return true;
}

ssize_t spool_take(struct spool *spool, int stream, int from)
{
	struct spool_stream *to = &spool->streams[stream];
	size_t room = SPOOL_SIZE - to->end;
	ssize_t n;

	if (room == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = to->can_splice ? splice(from, NULL, to->fd, NULL, room, SPLICE_F_NONBLOCK) : -1;
	if (n < 0 && (!to->can_splice || errno == EINVAL || errno == ENOSYS)) {
		/* No pipe. */
		to->can_splice = false;
		n = read(from, bytes_of(spool, stream) + to->end, room);
		if (n > 0)
			(void)lseek(to->fd, n, SEEK_CUR);
	}
	if (n > 0)
		to->end += (size_t)n;
	return n;
}

const char *spool_bytes(const struct spool *spool, int stream, size_t *ret_len)
{
	const struct spool_stream *of = &spool->streams[stream];

	*ret_len = of->end - of->begin;
	return spool->page ? bytes_of(spool, stream) + of->begin : "";
}

void spool_emitted(struct spool *spool, int stream, size_t len)
{
	spool->streams[stream].begin += len;
}

/* Nothing is overwritten that is not emitted. */
static bool can_move(const struct spool_stream *stream)
{
	return stream->end - stream->begin < stream->begin;
}

bool spool_is_full(const struct spool *spool, int stream)
{
	return spool->streams[stream].end == SPOOL_SIZE && !can_move(&spool->streams[stream]);
}

static void mark(struct spool *spool, const struct log_position *log)
{
	struct spool_page *page = spool->page;
	struct spool_mark *next = &page->marks[!page->current];

	next->log = *log;
	for (int i = 0; i < SPOOL_STREAMS; i++) {
		next->streams[i].begin = spool->streams[i].begin;
		next->streams[i].is_continued = spool->streams[i].is_continued;
	}
	/* SIGKILL comes between instructions: what was stored before this one is there. */
	__atomic_store_n(&page->current, !page->current, __ATOMIC_RELEASE);
}

/*
 * Makes room.  Killed before this is marked, an offset before the begin that is marked says that
 * all before the offset is left.
 */
static bool settle(struct spool *spool, int number)
{
	struct spool_stream *stream = &spool->streams[number];
	size_t left = stream->end - stream->begin;
	char *bytes = bytes_of(spool, number);

	if (!can_move(stream) || (left > 0 && stream->end <= SPOOL_SIZE / 2))
		return false;
	memcpy(bytes, bytes + stream->begin, left);
	(void)lseek(stream->fd, start_of(number) + (off_t)left, SEEK_SET);
	stream->begin = 0;
	stream->end = left;
	return true;
}

void spool_keep(struct spool *spool, const struct log_writer *log)
{
	struct log_position position;
	bool is_settled = false;

	log_writer_position(log, &position);
	mark(spool, &position);
	for (int i = 0; i < SPOOL_STREAMS; i++)
		is_settled |= settle(spool, i);
	if (is_settled)
		mark(spool, &position);
}

struct logged {
	uint64_t bytes[SPOOL_STREAMS];
	struct spool *spool;
};

static void count_logged(const struct log_record *record, void *data)
{
	struct logged *logged = data;
	int stream = record->stream == LOG_OUT ? 0 : 1;

	logged->bytes[stream] += record->len;
	logged->spool->streams[stream].is_continued = record->flags & LOG_CONT;
}

void spool_recover(struct spool *spool, struct log_writer *log)
{
	const struct spool_mark *last = &spool->page->marks[spool->page->current];
	struct logged logged = {.spool = spool};

	for (int i = 0; i < SPOOL_STREAMS; i++)
		spool->streams[i].is_continued = last->streams[i].is_continued;
	log_tail_since(log, last->log.pos, count_logged, &logged);
	log_writer_go_on(log, &last->log);
	for (int i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *stream = &spool->streams[i];
		uint64_t begin = last->streams[i].begin + logged.bytes[i];

		/* Otherwise it was moved to the front. */
		if (begin <= stream->end)
			stream->begin = (size_t)begin;
	}
}
