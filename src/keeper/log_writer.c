#include "keeper/log_writer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/stat.h>

#define BATCH_MAX (128UL * 1024) /* fits into the smallest segment */

/* Heads, and what is so short that it is copied to them: a part more would cost more. */
#define FRAMES_SIZE 4096
#define COPIED_MAX  1024

/*
 * Blocks of an empty file that becomes a segment when the disk is full at the end of a run.  They
 * are enough for the ends of several runs, as nothing else is written while there are none in
 * reserve.
 */
#define RESERVE_NAME "reserve"
#define RESERVE_SIZE 8192

static int compare_seq(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int log_segments_list(int dir, struct log_segments *ret, struct error *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	uint64_t seq;

	if (!stream) {
		int saved = errno;

		close_fd(&copy);
		return error_errno(err, saved, "list segments");
	}
	while ((entry = readdir(stream)))
		if (log_segment_parse(entry->d_name, &seq))
			*array_add(&ret->seqs) = seq;
	closedir(stream);
	array_sort(&ret->seqs, compare_seq);
	return 0;
}

static void unlink_segment(int dir, uint64_t first_seq)
{
	char name[LOG_SEGMENT_NAME_SIZE];

	log_segment_name(first_seq, name);
	(void)unlinkat(dir, name, 0); /* one that stays is tried again at the next rotation */
}

static void evict(struct log_writer *log)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_segments list = {0};

	if (log_segments_list(log->dir, &list, &err) == 0)
		for (size_t i = 0; i + log->segment_count < list.seqs.len; i++)
			unlink_segment(log->dir, list.seqs.items[i]);
	array_release(&list.seqs);
}

/* Finds the end of the whole records in a segment, and with it seq and pos. */
static int scan(struct log_writer *log, int fd, uint64_t *ret_size, struct error *err)
{
	struct log_record record;
	struct stat st;
	size_t at = 0;
	char *map;
	long size;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "segment");
	if (st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
			return error_errno(err, errno, "map segment");
		while ((size = log_record_decode(map + at, (size_t)st.st_size - at, &record)) > 0) {
			log->seq = record.seq + record.lines;
			log->pos = record.pos + (record.stream == LOG_EVENT ? 0 : record.len);
			at += (size_t)size;
		}
		munmap(map, (size_t)st.st_size);
	}
	*ret_size = at;
	return 0;
}

/* 0, or the errno that says that the disk is full; where blocks cannot be kept it does without. */
static int keep_reserve(struct log_writer *log)
{
	cleanup_close int fd =
		openat(log->dir, RESERVE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int failure = 0;

	if (fd < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, RESERVE_SIZE) < 0)
		failure = errno == ENOSPC || errno == EDQUOT ? errno : 0;
	log->has_no_reserve = failure != 0;
	return failure;
}

/* The batch that could not be written begins a segment there. */
static void use_reserve(struct log_writer *log)
{
	cleanup_close int fd =
		openat(log->dir, RESERVE_NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	char name[LOG_SEGMENT_NAME_SIZE];

	log_segment_name(log->batch_first, name);
	if (fd < 0 || renameat(log->dir, RESERVE_NAME, log->dir, name) < 0)
		return;
	close_fd(&log->fd);
	log->fd = take_fd(fd);
	log->size = 0;
}

static int open_segment(struct log_writer *log, uint64_t first_seq, int flags, struct error *err)
{
	char name[LOG_SEGMENT_NAME_SIZE];
	int fd;

	log_segment_name(first_seq, name);
	fd = openat(log->dir, name, flags | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, errno, "segment %s", name);
	return fd;
}

/* Blocks behind the end may have been in reserve, and stay when nothing is cut off. */
static int cut_off(int fd, uint64_t size, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || ((uint64_t)st.st_size != size && ftruncate(fd, (off_t)size) < 0))
		return error_errno(err, errno, "cut off a torn record");
	return 0;
}

/* Goes on where the last run ended: behind the last whole record, in its segment. */
static int take_up(struct log_writer *log, struct error *err)
{
	struct log_segments list = {0};
	int ret = log_segments_list(log->dir, &list, err);

	log->seq = 1;
	while (ret == 0 && list.seqs.len > 0) {
		uint64_t first = list.seqs.items[--list.seqs.len];
		uint64_t size = 0;
		cleanup_close int fd = open_segment(log, first, O_RDWR, err);

		ret = fd < 0 ? -1 : scan(log, fd, &size, err);
		if (ret == 0 && size > 0) {
			ret = cut_off(fd, size, err);
			log->size = size;
			log->fd = take_fd(fd);
			break;
		}
		if (ret == 0)
			unlink_segment(log->dir, first);
	}
	array_release(&list.seqs);
	return ret;
}

int log_writer_open(struct log_writer *log, const char *folder, uint64_t segment_bytes,
                    uint32_t segment_count, uint32_t run, struct error *err)
{
	char boot_id[PROC_BOOT_ID_SIZE];

	if (fs_mkdirs_private(folder, err) < 0)
		return -1;
	log->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log->dir < 0)
		return error_errno(err, errno, "%s", folder);
	if (flock(log->dir, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return error_set(err, ERR_CONFLICT, "another keeper writes %s", folder);
	log->segment_bytes = segment_bytes;
	log->segment_count = segment_count;
	log->run = run;
	proc_boot_id(boot_id);
	log->boot = log_record_boot(boot_id);
	log->frames = xmalloc(FRAMES_SIZE);
	log_writer_tick(log);
	if (take_up(log, err) < 0)
		return -1;
	(void)keep_reserve(log);
	return 0;
}

void log_writer_close(struct log_writer *log)
{
	close_fd(&log->fd);
	close_fd(&log->dir);
	log->fd = log->dir = -1;
}

void log_writer_release(struct log_writer *log)
{
	log_writer_close(log);
	free(log->frames);
	*log = (struct log_writer)LOG_WRITER_INIT;
}

void log_writer_position(const struct log_writer *log, struct log_position *ret)
{
	*ret = (struct log_position){
		.seq = log->seq,
		.pos = log->pos,
		.lost_records = log->lost_records,
		.lost_lines = log->lost_lines,
		.lost_bytes = log->lost_bytes,
		.lost_errno = log->lost_errno,
		.dropped_bytes = log->dropped_bytes,
	};
}

void log_writer_go_on(struct log_writer *log, const struct log_position *position)
{
	log->dropped_bytes = position->dropped_bytes;
	/* What was written after a loss has told of it. */
	if (log->seq > position->seq)
		return;
	log->seq = position->seq;
	log->pos = position->pos;
	log->lost_records = position->lost_records;
	log->lost_lines = position->lost_lines;
	log->lost_bytes = position->lost_bytes;
	log->lost_errno = (int)position->lost_errno;
}

void log_writer_tick(struct log_writer *log)
{
	log->mono_ns = clock_mono_ns();
	log->real_ns = clock_real_ns();
}

/* Makes a segment for the batch when there is none, or the batch would not fit. */
static int rotate(struct log_writer *log, struct error *err)
{
	int fd;

	if (log->fd >= 0 && log->size + log->batch_len <= log->segment_bytes)
		return 0;
	fd = open_segment(log, log->batch_first, O_WRONLY | O_CREAT | O_TRUNC, err);
	if (fd < 0)
		return -1;
	close_fd(&log->fd);
	log->fd = fd;
	log->size = 0;
	evict(log);
	return 0;
}

/* Takes what was written off the front of the batch. */
static void advance(struct log_writer *log, size_t done)
{
	struct iovec *part = log->parts;

	for (; done > 0 && done >= part->iov_len; part++, log->part_count--)
		done -= part->iov_len;
	memmove(log->parts, part, (size_t)log->part_count * sizeof(*part));
	if (done > 0) {
		log->parts[0].iov_base = (char *)log->parts[0].iov_base + done;
		log->parts[0].iov_len -= done;
	}
}

/* 0, or the errno that kept the batch from being written whole. */
static int write_batch(struct log_writer *log)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int failure = fault_errno("journal.write");

	if (!failure && log->has_no_reserve && !log->is_ending)
		failure = keep_reserve(log);
	if (failure)
		return failure;
	if (rotate(log, &err) < 0)
		return err.code;
	while (log->part_count > 0) {
		ssize_t n = writev(log->fd, log->parts, log->part_count);

		if (n < 0 && errno != EINTR) {
			int saved = errno;

			/* O_APPEND: what follows must begin where this batch began. */
			(void)!ftruncate(log->fd, (off_t)log->size);
			return saved;
		}
		if (n > 0)
			advance(log, (size_t)n);
	}
	log->size += log->batch_len;
	return 0;
}

void log_writer_flush(struct log_writer *log)
{
	int failure;

	if (log->batch_len == 0)
		return;
	failure = write_batch(log);
	if (failure) {
		/* The batch began with the event that told of earlier losses, so they add up. */
		log->lost_records += log->seq - log->batch_first;
		log->lost_lines += log->batch_lines;
		log->lost_bytes += log->batch_bytes;
		log->dropped_bytes += log->batch_bytes;
		log->lost_errno = failure;
	} else {
		log->lost_records = log->lost_lines = log->lost_bytes = 0;
	}
	log->batch_len = log->frames_len = 0;
	log->part_count = 0;
	log->batch_lines = log->batch_bytes = 0;
}

static void add_part(struct log_writer *log, const char *data, size_t len)
{
	log->parts[log->part_count++] = (struct iovec){(char *)data, len};
	log->batch_len += len;
}

static void add_copy(struct log_writer *log, const char *data, size_t len)
{
	char *at = log->frames + log->frames_len;
	struct iovec *last = log->part_count > 0 ? &log->parts[log->part_count - 1] : NULL;

	memcpy(at, data, len);
	log->frames_len += len;
	if (!last || (char *)last->iov_base + last->iov_len != at) {
		add_part(log, at, len);
		return;
	}
	last->iov_len += len;
	log->batch_len += len;
}

static bool has_room(const struct log_writer *log, size_t len)
{
	return log->batch_len + len + LOG_RECORD_OVERHEAD <= BATCH_MAX &&
	       log->part_count + 2 < LOG_WRITER_PARTS &&
	       log->frames_len + COPIED_MAX + LOG_RECORD_OVERHEAD <= FRAMES_SIZE;
}

static void append(struct log_writer *log, enum log_stream stream, unsigned int flags,
                   const char *data, size_t len)
{
	struct log_record record = {
		.seq = log->seq,
		.pos = log->pos,
		.mono_ns = log->mono_ns,
		.real_ns = log->real_ns,
		.run = log->run,
		.boot = log->boot,
		.stream = stream,
		.flags = flags,
		.lines = stream == LOG_EVENT ? 1 : log_record_count_lines(data, len),
		.data = data,
		.len = len,
	};
	struct log_record_frame frame;

	log_record_frame(&record, &frame);
	add_copy(log, frame.head, sizeof(frame.head));
	if (len > COPIED_MAX)
		add_part(log, data, len);
	else
		add_copy(log, data, len);
	add_copy(log, frame.size, sizeof(frame.size));
	log->seq += record.lines;
	if (stream != LOG_EVENT) {
		log->pos += len;
		log->batch_lines += record.lines;
		log->batch_bytes += len;
	}
}

/* What a batch begins with after losses. */
static void append_drop(struct log_writer *log)
{
	char event[160];
	int n = snprintf(event, sizeof(event),
	                 "event=drop\nrecords=%" PRIu64 "\nlines=%" PRIu64 "\nbytes=%" PRIu64
	                 "\nerrno=%d\n",
	                 log->lost_records, log->lost_lines, log->lost_bytes, log->lost_errno);

	append(log, LOG_EVENT, 0, event, (size_t)n);
}

bool log_writer_is_full(const struct log_writer *log)
{
	return log->lost_records > 0;
}

bool log_writer_is_removed(const struct log_writer *log)
{
	struct stat st;

	return fstat(log->dir, &st) == 0 && st.st_nlink == 0;
}

void log_writer_retry(struct log_writer *log)
{
	if (log->batch_len > 0 || log->lost_records == 0)
		return;
	log->batch_first = log->seq;
	append_drop(log);
	log_writer_flush(log);
}

void log_writer_add(struct log_writer *log, enum log_stream stream, unsigned int flags,
                    const char *data, size_t len)
{
	if (!has_room(log, len))
		log_writer_flush(log);
	if (log->batch_len == 0) {
		log->batch_first = log->seq;
		if (log->lost_records > 0)
			append_drop(log);
	}
	append(log, stream, flags, data, len);
}

void log_writer_event(struct log_writer *log, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	size_t len;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	len = strlen(text);
	log_writer_add(log, LOG_EVENT, 0, text, MIN(len, LOG_RECORD_MAX_DATA));
	if (len > COPIED_MAX)
		log_writer_flush(log); /* while the text is there */
}

bool log_writer_finish(struct log_writer *log, const char *event)
{
	log_writer_flush(log);
	log->is_ending = true;
	log_writer_add(log, LOG_EVENT, 0, event, strlen(event));
	log_writer_flush(log);
	if (log->lost_records > 0) {
		log_writer_add(log, LOG_EVENT, 0, event, strlen(event));
		use_reserve(log);
		log_writer_flush(log);
	}
	return log->lost_records == 0 && fsync(log->fd) == 0 && fsync(log->dir) == 0;
}
