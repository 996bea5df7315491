#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "keeper/protocol.h"
#include "service/log_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Read so much at a time; the buffer holds more only for a record that needs it. */
#define CHUNK (32UL * 1024)
/* A folder's change time is coarse: within this of now, another change could share it. */
#define COARSE_NS 100000000

_Static_assert(LOG_READER_BUFFER >= LOG_RECORD_MAX + CHUNK, "a record must fit");

struct log_cursor {
	int dir;
	ARRAY(uint64_t) segments; /* first seqs in order, as last listed */
	int64_t listed_change_ns; /* the folder's change time then; 0: list again */
	int fd;                   /* of the open segment; -1: none */
	uint64_t segment;
	uint64_t offset; /* in the file, of buf[start] */
	char *buf;
	size_t start, len; /* unread: buf[start..len) */
	uint64_t next_seq, next_pos;
	bool is_pos_known;
	struct log_entry held[2]; /* what comes after a gap that was told */
	size_t held_count, held_next;
};

struct log_cursor *log_cursor_new(const char *log_dir, struct error *err)
{
	struct log_cursor *cursor;
	int dir;

	if (fs_mkdirs_private(log_dir, err) < 0)
		return NULL;
	dir = open(log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		error_errno(err, errno, "%s", log_dir);
		return NULL;
	}
	cursor = xcalloc(1, sizeof(*cursor));
	cursor->dir = dir;
	cursor->fd = -1;
	cursor->next_seq = 1;
	cursor->is_pos_known = true;
	cursor->buf = xmalloc(LOG_READER_BUFFER);
	return cursor;
}

void log_cursor_free(struct log_cursor *cursor)
{
	if (!cursor)
		return;
	close_fd(&cursor->fd);
	close_fd(&cursor->dir);
	array_release(&cursor->segments);
	free(cursor->buf);
	free(cursor);
}

static int compare_seq(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int list_segments(struct log_cursor *cursor, struct error *err)
{
	int copy = openat(cursor->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	uint64_t seq;

	if (!stream) {
		int saved = errno;

		close_fd(&copy);
		return error_errno(err, saved, "list log segments");
	}
	cursor->segments.len = 0;
	while ((entry = readdir(stream)))
		if (log_segment_parse(entry->d_name, &seq))
			*array_add(&cursor->segments) = seq;
	closedir(stream);
	array_sort(&cursor->segments, compare_seq);
	return 0;
}

static int refresh(struct log_cursor *cursor, struct error *err)
{
	struct stat st;
	int64_t change_ns;

	if (fstat(cursor->dir, &st) < 0)
		return error_errno(err, errno, "log folder");
	change_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (change_ns == cursor->listed_change_ns)
		return 0;
	if (list_segments(cursor, err) < 0)
		return -1;
	cursor->listed_change_ns = clock_real_ns() - change_ns > COARSE_NS ? change_ns : 0;
	return 0;
}

static void move_to(struct log_cursor *cursor, uint64_t offset)
{
	cursor->offset = offset;
	cursor->start = cursor->len = 0;
}

/* 1 when open, 0 when it has been evicted meanwhile. */
static int open_segment(struct log_cursor *cursor, uint64_t first_seq, struct error *err)
{
	char name[LOG_SEGMENT_NAME_SIZE];
	int fd;

	log_segment_name(first_seq, name);
	fd = openat(cursor->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, errno, "log segment %s", name);
	close_fd(&cursor->fd);
	cursor->fd = fd;
	cursor->segment = first_seq;
	move_to(cursor, 0);
	return 1;
}

/* The segment that holds next_seq, or else the first after it: 1, or 0 when there is none. */
static int enter_log(struct log_cursor *cursor, struct error *err)
{
	int ret = 0;

	while (ret == 0) {
		size_t chosen = 0;

		cursor->listed_change_ns = 0;
		if (refresh(cursor, err) < 0)
			return -1;
		if (cursor->segments.len == 0)
			return 0;
		for (size_t i = 1; i < cursor->segments.len; i++)
			if (cursor->segments.items[i] <= cursor->next_seq)
				chosen = i;
		ret = open_segment(cursor, cursor->segments.items[chosen], err);
	}
	return ret;
}

/* 1 when there are more bytes now, 0 at the end of the segment as it is. */
static int fill(struct log_cursor *cursor, struct error *err)
{
	ssize_t n;

	if (cursor->start > 0) {
		memmove(cursor->buf, cursor->buf + cursor->start, cursor->len - cursor->start);
		cursor->len -= cursor->start;
		cursor->start = 0;
	}
	do
		n = pread(cursor->fd, cursor->buf + cursor->len, CHUNK,
		          (off_t)(cursor->offset + cursor->len));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "read log");
	cursor->len += (size_t)n;
	return n > 0;
}

static long decode(struct log_cursor *cursor, struct log_record *record)
{
	return log_record_decode(cursor->buf + cursor->start, cursor->len - cursor->start, record);
}

/*
 * The next whole record of the open segment: 1, or 0 at its end.  Bytes that are no
 * record yet are forgotten: the writer may still cut them off and write others.
 */
static int read_record(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	for (;;) {
		long size = decode(cursor, record);
		int more;

		if (size > 0) {
			cursor->start += (size_t)size;
			cursor->offset += (size_t)size;
			return 1;
		}
		more = size < 0 ? 0 : fill(cursor, err);
		if (more < 0)
			return -1;
		if (more == 0) {
			cursor->start = cursor->len = 0;
			return 0;
		}
	}
}

/* 1 when the cursor went on to the segment after this one. */
static int next_segment(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	int ret;

	if (refresh(cursor, err) < 0)
		return -1;
	array_foreach(first_seq, &cursor->segments) {
		if (*first_seq <= cursor->segment)
			continue;
		/* It was finished before the next was made, but perhaps not when we read it. */
		ret = read_record(cursor, record, err);
		if (ret != 0)
			return ret < 0 ? -1 : 2;
		ret = open_segment(cursor, *first_seq, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

/* The next record at or after next_seq: 1, 0 when there is none now. */
static int find_record(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	int ret = 1;

	if (cursor->fd < 0 && (ret = enter_log(cursor, err)) <= 0)
		return ret;
	for (;;) {
		ret = read_record(cursor, record, err);
		if (ret == 0) {
			ret = next_segment(cursor, record, err);
			if (ret == 1)
				continue;
		}
		if (ret <= 0)
			return ret;
		if (record->seq >= cursor->next_seq)
			return 1;
	}
}

static struct log_entry entry_of(const struct log_record *record)
{
	return (struct log_entry){
		.kind = LOG_ENTRY_RECORD,
		.seq = record->seq,
		.run = record->run,
		.mono_ns = record->mono_ns,
		.real_ns = record->real_ns,
		.stream = record->stream,
		.flags = record->flags,
		.data = record->data,
		.len = record->len,
	};
}

static void hold_gap(struct log_cursor *cursor, const struct log_record *before,
                     enum log_entry_kind kind, uint64_t records, uint64_t bytes)
{
	struct log_entry gap = {
		.kind = kind,
		.seq = before->seq - records,
		.run = before->run,
		.mono_ns = before->mono_ns,
		.real_ns = before->real_ns,
		.gap_records = records,
		.gap_bytes = bytes,
	};

	cursor->held[cursor->held_count++] = gap;
}

static bool is_event(const struct log_record *record, const char *name)
{
	size_t len;
	const char *value;

	if (record->stream != LOG_EVENT)
		return false;
	value = keeper_line_value(record->data, record->len, "event", &len);
	return value && len == strlen(name) && memcmp(value, name, len) == 0;
}

static uint64_t event_count(const struct log_record *record, const char *key)
{
	return (uint64_t)keeper_line_int(record->data, record->len, key, 0);
}

/* What the record is to its reader: itself, a gap before it, or the end of a full disk. */
static void hold_entries(struct log_cursor *cursor, const struct log_record *record)
{
	uint64_t records = record->seq - cursor->next_seq;
	uint64_t bytes = cursor->is_pos_known ? record->pos - cursor->next_pos : 0;

	cursor->held_count = cursor->held_next = 0;
	if (is_event(record, "drop")) {
		uint64_t dropped = event_count(record, "records");
		uint64_t dropped_bytes = event_count(record, "bytes");

		if (records > dropped)
			hold_gap(cursor, record, LOG_ENTRY_EVICTED, records - dropped,
			         bytes > dropped_bytes ? bytes - dropped_bytes : 0);
		hold_gap(cursor, record, LOG_ENTRY_DROPPED, event_count(record, "lines"),
		         dropped_bytes);
		return;
	}
	if (records > 0)
		hold_gap(cursor, record, LOG_ENTRY_EVICTED, records, bytes);
	cursor->held[cursor->held_count++] = entry_of(record);
}

int log_cursor_next(struct log_cursor *cursor, struct log_entry *ret, struct error *err)
{
	struct log_record record;
	int found;

	if (cursor->held_next == cursor->held_count) {
		found = find_record(cursor, &record, err);
		if (found <= 0)
			return found;
		hold_entries(cursor, &record);
		cursor->next_seq = record.seq + 1;
		cursor->next_pos = record.pos + (record.stream == LOG_EVENT ? 0 : record.len);
		cursor->is_pos_known = true;
	}
	*ret = cursor->held[cursor->held_next++];
	return 1;
}

uint64_t log_cursor_seq(const struct log_cursor *cursor)
{
	return cursor->next_seq;
}

int log_cursor_seek_seq(struct log_cursor *cursor, uint64_t seq, struct error *err)
{
	cursor->next_seq = seq > 0 ? seq : 1;
	cursor->next_pos = 0;
	cursor->is_pos_known = cursor->next_seq == 1; /* otherwise a first gap has no bytes */
	cursor->held_count = cursor->held_next = 0;
	close_fd(&cursor->fd);
	cursor->fd = -1;
	return enter_log(cursor, err) < 0 ? -1 : 0;
}

/* The last record in the open segment, by reading all of it: its end is torn. */
static int scan_last(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	int found, ret = 0;

	move_to(cursor, 0);
	while ((found = read_record(cursor, record, err)) > 0)
		ret = 1;
	return found < 0 ? -1 : ret;
}

/* Fills the buffer with the end of the open segment; the bytes end where the file does. */
static int load_tail(struct log_cursor *cursor, struct error *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(cursor->fd, &st) < 0)
		return error_errno(err, errno, "log segment");
	move_to(cursor,
	        st.st_size > LOG_READER_BUFFER ? (uint64_t)st.st_size - LOG_READER_BUFFER : 0);
	n = pread(cursor->fd, cursor->buf, LOG_READER_BUFFER, (off_t)cursor->offset);
	if (n < 0)
		return error_errno(err, errno, "read log");
	cursor->len = (size_t)n;
	return 0;
}

/*
 * Steps back over at most `records` in the buffer, by the size that ends each of
 * them.  Returns how many; the cursor is then before the first of these.
 */
static uint64_t step_back(struct log_cursor *cursor, uint64_t records)
{
	struct log_record record;
	uint64_t base = cursor->offset, steps = 0;
	size_t at = cursor->len;

	while (steps < records) {
		size_t size = log_record_size_before(cursor->buf, at);

		if (size == 0 || size > at ||
		    log_record_decode(cursor->buf + at - size, size, &record) != (long)size)
			break;
		at -= size;
		steps++;
		cursor->next_seq = record.seq;
		cursor->next_pos = record.pos;
	}
	cursor->start = at;
	cursor->offset = base + at;
	cursor->is_pos_known = true;
	return steps;
}

/* Opens the newest segment that has a record and tells the last one's seq; 0: an empty log. */
static int open_last(struct log_cursor *cursor, uint64_t *ret_seq, struct error *err)
{
	struct log_record record = {0};
	int found;

	*ret_seq = 0;
	if (list_segments(cursor, err) < 0)
		return -1;
	for (size_t i = cursor->segments.len; i-- > 0;) {
		found = open_segment(cursor, cursor->segments.items[i], err);
		if (found < 0 || (found > 0 && load_tail(cursor, err) < 0))
			return -1;
		if (found == 0)
			continue;
		if (step_back(cursor, 1) == 1) {
			*ret_seq = cursor->next_seq;
			return 0;
		}
		found = scan_last(cursor, &record, err);
		if (found != 0) {
			*ret_seq = record.seq;
			return found < 0 ? -1 : 0;
		}
	}
	return 0;
}

int log_cursor_seek_last(struct log_cursor *cursor, uint64_t records, struct error *err)
{
	uint64_t last, first;

	cursor->held_count = cursor->held_next = 0;
	if (open_last(cursor, &last, err) < 0)
		return -1;
	if (last > 0 && load_tail(cursor, err) == 0 && step_back(cursor, records) == records)
		return 0;
	/* Seqs have no holes but where the disk was full, so counting is exact enough. */
	first = last >= records ? last - records + 1 : 1;
	/* What was evicted lies before the last records, not between them. */
	if (cursor->segments.len > 0 && first < cursor->segments.items[0])
		first = cursor->segments.items[0];
	return log_cursor_seek_seq(cursor, first, err);
}
