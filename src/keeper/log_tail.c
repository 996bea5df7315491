#include "keeper/log_tail.h"

#include "base/error.h"
#include "keeper/log_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* More would be needed only for segments that are smaller than what is asked for. */
#define SEGMENTS_MAX 2

struct view {
	char *map;
	size_t len;
	size_t from; /* where the wanted records begin */
};

static void view_open(const struct log_writer *log, uint64_t first_seq, struct view *view)
{
	char name[LOG_SEGMENT_NAME_SIZE];
	cleanup_close int fd = -1;
	struct stat st;

	log_segment_name(first_seq, name);
	fd = openat(log->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return;
	view->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (view->map == MAP_FAILED)
		view->map = NULL;
	else
		view->len = view->from = (size_t)st.st_size;
}

static bool is_output(const struct log_writer *log, const struct log_record *record)
{
	return record->run == log->run && record->stream != LOG_EVENT;
}

/* What is looked for: about the last `max` bytes, but nothing before `pos`. */
struct wanted {
	size_t max;
	uint64_t pos;
	bool is_found; /* where it begins */
};

/* Goes back over whole records. */
static void go_back(const struct log_writer *log, struct view *view, struct wanted *wanted)
{
	struct log_record record;
	size_t size;

	while (!wanted->is_found && view->from > 0) {
		size = log_record_size_before(view->map, view->from);
		wanted->is_found = size == 0 || size > view->from ||
		                   log_record_decode(view->map + view->from - size, size,
		                                     &record) != (long)size ||
		                   record.run != log->run || record.pos < wanted->pos;
		if (wanted->is_found)
			return;
		view->from -= size;
		if (is_output(log, &record))
			wanted->max -= record.len < wanted->max ? record.len : wanted->max;
		wanted->is_found = wanted->max == 0;
	}
}

static void give(const struct log_writer *log, const struct view *view, log_record_fn *fn,
                 void *data)
{
	struct log_record record;
	long size;

	for (size_t at = view->from; at < view->len; at += (size_t)size) {
		size = log_record_decode(view->map + at, view->len - at, &record);
		if (size <= 0)
			return;
		if (is_output(log, &record))
			fn(&record, data);
	}
}

static void each_wanted(const struct log_writer *log, struct wanted wanted, log_record_fn *fn,
                        void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct view views[SEGMENTS_MAX] = {0};
	struct log_segments list = {0};
	size_t count = 0;

	if (log_segments_list(log->dir, &list, &err) < 0)
		return;
	for (size_t i = list.seqs.len; i-- > 0 && count < SEGMENTS_MAX && !wanted.is_found;
	     count++) {
		view_open(log, list.seqs.items[i], &views[count]);
		go_back(log, &views[count], &wanted);
	}
	array_release(&list.seqs);
	while (count-- > 0) {
		give(log, &views[count], fn, data);
		if (views[count].map)
			munmap(views[count].map, views[count].len);
	}
}

struct bytes_fn {
	log_tail_fn *fn;
	void *data;
};

static void give_bytes(const struct log_record *record, void *data)
{
	const struct bytes_fn *bytes = data;

	bytes->fn(record->data, record->len, bytes->data);
}

void log_tail_read(const struct log_writer *log, size_t max, log_tail_fn *fn, void *data)
{
	struct bytes_fn bytes = {fn, data};

	each_wanted(log, (struct wanted){.max = max}, give_bytes, &bytes);
}

void log_tail_since(const struct log_writer *log, uint64_t pos, log_record_fn *fn, void *data)
{
	each_wanted(log, (struct wanted){.max = SIZE_MAX, .pos = pos}, fn, data);
}
