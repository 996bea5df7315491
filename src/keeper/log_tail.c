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

/* Goes back over whole records; what is left of `max`, 0 where the run began. */
static size_t go_back(const struct log_writer *log, struct view *view, size_t max)
{
	struct log_record record;
	size_t size;

	while (max > 0 && view->from > 0) {
		size = log_record_size_before(view->map, view->from);
		if (size == 0 || size > view->from ||
		    log_record_decode(view->map + view->from - size, size, &record) != (long)size ||
		    record.run != log->run)
			return 0;
		view->from -= size;
		if (is_output(log, &record))
			max -= record.len < max ? record.len : max;
	}
	return max;
}

static void give(const struct log_writer *log, const struct view *view, log_tail_fn *fn, void *data)
{
	struct log_record record;
	long size;

	for (size_t at = view->from; at < view->len; at += (size_t)size) {
		size = log_record_decode(view->map + at, view->len - at, &record);
		if (size <= 0)
			return;
		if (is_output(log, &record))
			fn(record.data, record.len, data);
	}
}

void log_tail_read(const struct log_writer *log, size_t max, log_tail_fn *fn, void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct view views[SEGMENTS_MAX] = {0};
	struct log_segments list = {0};
	size_t count = 0;

	if (log_segments_list(log->dir, &list, &err) < 0)
		return;
	for (size_t i = list.seqs.len; i-- > 0 && count < SEGMENTS_MAX && max > 0; count++) {
		view_open(log, list.seqs.items[i], &views[count]);
		max = go_back(log, &views[count], max);
	}
	array_release(&list.seqs);
	while (count-- > 0) {
		give(log, &views[count], fn, data);
		if (views[count].map)
			munmap(views[count].map, views[count].len);
	}
}
