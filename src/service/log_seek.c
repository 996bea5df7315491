#include "base/error.h"
#include "base/fs.h"
#include "service/log_cursor.h"

#include <errno.h>
#include <sys/stat.h>

static void forget(struct log_cursor *cursor)
{
	cursor->held_count = cursor->held_next = 0;
	cursor->rest.lines = 0;
}

int log_cursor_seek_seq(struct log_cursor *cursor, uint64_t seq, struct error *err)
{
	cursor->next_seq = seq > 0 ? seq : 1;
	cursor->next_pos = 0;
	cursor->is_pos_known = cursor->next_seq == 1; /* otherwise a first gap has no bytes */
	forget(cursor);
	close_fd(&cursor->fd);
	cursor->fd = -1;
	return log_cursor_enter(cursor, err) < 0 ? -1 : 0;
}

/* The last record in the open segment, by reading all of it: its end is torn. */
static int scan_last(struct log_cursor *cursor, struct log_record *record, struct error *err)
{
	int found, ret = 0;

	log_cursor_move(cursor, 0);
	while ((found = log_cursor_read(cursor, record, err)) > 0)
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
	log_cursor_move(cursor, st.st_size > LOG_READER_BUFFER
	                                ? (uint64_t)st.st_size - LOG_READER_BUFFER
	                                : 0);
	n = pread(cursor->fd, cursor->buf, LOG_READER_BUFFER, (off_t)cursor->offset);
	if (n < 0)
		return error_errno(err, errno, "read log");
	cursor->len = (size_t)n;
	return 0;
}

/*
 * Steps back over at most `lines` in the buffer, by the size that ends each record.
 * Returns how many; the cursor is then before the first of these.
 */
static uint64_t step_back(struct log_cursor *cursor, uint64_t lines)
{
	struct log_record record;
	uint64_t base = cursor->offset, steps = 0;
	size_t at = cursor->len;

	while (steps < lines) {
		size_t size = log_record_size_before(cursor->buf, at);

		if (size == 0 || size > at ||
		    log_record_decode(cursor->buf + at - size, size, &record) != (long)size)
			break;
		at -= size;
		steps += record.lines;
		cursor->next_seq = record.seq;
		cursor->next_pos = record.pos;
	}
	if (steps > lines) {
		cursor->next_seq += steps - lines;
		steps = lines;
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
	if (log_cursor_list(cursor, err) < 0)
		return -1;
	for (size_t i = cursor->segments.len; i-- > 0;) {
		found = log_cursor_open(cursor, cursor->segments.items[i], err);
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
			*ret_seq = record.seq + record.lines - 1;
			return found < 0 ? -1 : 0;
		}
	}
	return 0;
}

int log_cursor_seek_last(struct log_cursor *cursor, uint64_t lines, struct error *err)
{
	uint64_t last, first;

	forget(cursor);
	if (open_last(cursor, &last, err) < 0)
		return -1;
	if (last > 0 && lines > 0 && load_tail(cursor, err) == 0 &&
	    step_back(cursor, lines) == lines)
		return 0;
	/* Seqs have no holes but where the disk was full, so counting is exact enough. */
	first = last >= lines ? last - lines + 1 : 1;
	/* What was evicted lies before the last lines, not between them. */
	if (cursor->segments.len > 0 && first < cursor->segments.items[0])
		first = cursor->segments.items[0];
	return log_cursor_seek_seq(cursor, first, err);
}

/* The first record of a segment: 1, or 0 when it has none or is gone. */
static int first_record(struct log_cursor *cursor, uint64_t first_seq, struct log_record *ret,
                        struct error *err)
{
	int found = log_cursor_open(cursor, first_seq, err);

	return found > 0 ? log_cursor_read(cursor, ret, err) : found;
}

typedef bool before_fn(const struct log_record *record, int64_t bound);

/* The last segment that begins before the bound: what is in earlier ones is before it too. */
static int seek_before(struct log_cursor *cursor, before_fn *is_before, int64_t bound,
                       struct error *err)
{
	struct log_record record;
	uint64_t first = 1; /* what is not there any more is told, too */

	if (log_cursor_list(cursor, err) < 0)
		return -1;
	for (size_t i = cursor->segments.len; i-- > 0;) {
		int found = first_record(cursor, cursor->segments.items[i], &record, err);

		if (found < 0)
			return -1;
		if (found == 0)
			continue;
		if (is_before(&record, bound)) {
			first = cursor->segments.items[i];
			break;
		}
	}
	return log_cursor_seek_seq(cursor, first, err);
}

static bool began_before(const struct log_record *record, int64_t bound)
{
	return record->real_ns < bound;
}

static bool is_of_earlier_run(const struct log_record *record, int64_t bound)
{
	return record->run < bound;
}

int log_cursor_seek_time(struct log_cursor *cursor, int64_t real_ns, struct error *err)
{
	return seek_before(cursor, began_before, real_ns, err);
}

int log_cursor_seek_run(struct log_cursor *cursor, uint32_t run, struct error *err)
{
	return seek_before(cursor, is_of_earlier_run, run, err);
}
