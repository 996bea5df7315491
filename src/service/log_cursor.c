#include "service/log_cursor.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "keeper/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Read so much at a time; the buffer holds more only for a record that needs it. */
#define CHUNK (32UL * 1024)
/* A folder's change time is coarse: within this of now, another change could share it. */
#define COARSE_NS 100000000

_Static_assert(LOG_READER_BUFFER >= LOG_RECORD_MAX + CHUNK, "a record must fit");

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

int log_cursor_list(struct log_cursor *cursor, struct error *err)
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
	if (log_cursor_list(cursor, err) < 0)
		return -1;
	cursor->listed_change_ns = clock_real_ns() - change_ns > COARSE_NS ? change_ns : 0;
	return 0;
}

void log_cursor_move(struct log_cursor *cursor, uint64_t offset)
{
	cursor->offset = offset;
	cursor->start = cursor->len = 0;
}

int log_cursor_open(struct log_cursor *cursor, uint64_t first_seq, struct error *err)
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
	log_cursor_move(cursor, 0);
	return 1;
}

int log_cursor_enter(struct log_cursor *cursor, struct error *err)
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
		ret = log_cursor_open(cursor, cursor->segments.items[chosen], err);
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
 * Bytes that are no record yet are forgotten: the writer may still cut them off and
 * write others.
 */
int log_cursor_read(struct log_cursor *cursor, struct log_record *record, struct error *err)
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
		ret = log_cursor_read(cursor, record, err);
		if (ret != 0)
			return ret < 0 ? -1 : 2;
		ret = log_cursor_open(cursor, *first_seq, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

/* The first line of what is left of a record, which loses it. */
static struct log_record take_line(struct log_record *rest)
{
	struct log_record line = *rest;
	const char *end = rest->lines > 1 ? memchr(rest->data, '\n', rest->len) : NULL;

	line.lines = 1;
	rest->lines--;
	if (!end)
		return line;
	line.len = (size_t)(end + 1 - rest->data);
	rest->seq++;
	rest->pos += line.len;
	rest->data += line.len;
	rest->len -= line.len;
	return line;
}

/* Drops the lines before `seq`. */
static void skip_lines(struct log_record *record, uint64_t seq)
{
	while (record->seq < seq && record->lines > 1)
		(void)take_line(record);
}

/* What is left of a record from the first line at or after next_seq: 1, 0: there is none now. */
static int find_record(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	int ret = 1;

	if (cursor->fd < 0 && (ret = log_cursor_enter(cursor, err)) <= 0)
		return ret;
	for (;;) {
		ret = log_cursor_read(cursor, record, err);
		if (ret == 0) {
			ret = next_segment(cursor, record, err);
			if (ret == 1)
				continue;
		}
		if (ret <= 0)
			return ret;
		if (record->seq + record->lines > cursor->next_seq) {
			skip_lines(record, cursor->next_seq);
			return 1;
		}
	}
}

static struct log_entry entry_of(const struct log_record *record)
{
	return (struct log_entry){
		.kind = LOG_ENTRY_RECORD,
		.seq = record->seq,
		.pos = record->pos,
		.run = record->run,
		.boot = record->boot,
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
		.boot = before->boot,
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

/* What comes before the record for its reader: a gap, or the end of a full disk. */
static void hold_gaps(struct log_cursor *cursor, const struct log_record *record)
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
	} else if (records > 0) {
		hold_gap(cursor, record, LOG_ENTRY_EVICTED, records, bytes);
	}
}

static void pass(struct log_cursor *cursor, const struct log_record *line)
{
	cursor->next_seq = line->seq + 1;
	cursor->next_pos = line->pos + (line->stream == LOG_EVENT ? 0 : line->len);
	cursor->is_pos_known = true;
}

static bool has_wanted(const struct log_cursor *cursor, const struct log_record *record)
{
	return !cursor->wanted || record->stream == LOG_EVENT ||
	       memmem(record->data, record->len, cursor->wanted, strlen(cursor->wanted)) ||
	       memchr(record->data, '\033', record->len);
}

static void pass_all(struct log_cursor *cursor, struct log_record *record)
{
	record->seq += record->lines - 1;
	pass(cursor, record);
	record->lines = 0;
}

void log_cursor_want(struct log_cursor *cursor, const char *text)
{
	cursor->wanted = text;
}

int log_cursor_next(struct log_cursor *cursor, struct log_entry *ret, struct error *err)
{
	struct log_record line;

	while (cursor->held_next == cursor->held_count) {
		int found;

		if (cursor->rest.lines > 0) {
			line = take_line(&cursor->rest);
			pass(cursor, &line);
			*ret = entry_of(&line);
			return 1;
		}
		found = find_record(cursor, &cursor->rest, err);
		if (found <= 0) {
			cursor->rest.lines = 0;
			return found;
		}
		hold_gaps(cursor, &cursor->rest);
		if (is_event(&cursor->rest, "drop") || !has_wanted(cursor, &cursor->rest))
			pass_all(cursor, &cursor->rest);
	}
	*ret = cursor->held[cursor->held_next++];
	return 1;
}

uint64_t log_cursor_seq(const struct log_cursor *cursor)
{
	return cursor->next_seq;
}
