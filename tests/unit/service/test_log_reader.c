#include "service/log_reader.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "keeper/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

struct fixture {
	char *dir;
	struct log_writer log;
	struct log_cursor *cursor;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-log-XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->log = (struct log_writer)LOG_WRITER_INIT;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	log_writer_release(&f->log);
	log_cursor_free(f->cursor);
	error_release(&f->err);
	fs_remove_tree(AT_FDCWD, f->dir, &err);
	free(f->dir);
	free(f);
	return 0;
}

static void open_log(struct fixture *f, uint64_t segment_bytes, uint32_t count, uint32_t run)
{
	log_writer_release(&f->log);
	assert_int_equal(log_writer_open(&f->log, f->dir, segment_bytes, count, run, &f->err), 0);
}

static void open_cursor(struct fixture *f)
{
	log_cursor_free(f->cursor);
	f->cursor = log_cursor_new(f->dir, &f->err);
	assert_non_null(f->cursor);
}

static void put(struct fixture *f, const char *text)
{
	log_writer_tick(&f->log);
	log_writer_add(&f->log, LOG_OUT, 0, text, strlen(text));
}

static void put_numbered(struct fixture *f, int from, int to)
{
	for (int i = from; i < to; i++) {
		char line[64];

		snprintf(line, sizeof(line), "line %06d\n", i);
		put(f, line);
		if (i % 100 == 0)
			log_writer_flush(&f->log);
	}
	log_writer_flush(&f->log);
}

static void assert_next(struct fixture *f, const char *text)
{
	struct log_entry entry;
	cleanup(strbuf_release) struct strbuf line = STRBUF_INIT;

	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	log_entry_text(&entry, &line);
	assert_string_equal(line.buf, text);
}

static void assert_end(struct fixture *f)
{
	struct log_entry entry;

	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 0);
}

static void test_an_empty_log(void **state)
{
	struct fixture *f = *state;
	struct log_exit exit;
	uint32_t run = 9;

	open_cursor(f);
	assert_end(f);
	assert_int_equal(log_cursor_seek_last(f->cursor, 10, &f->err), 0);
	assert_end(f);
	assert_int_equal(log_find_exit(f->dir, 1, &exit, &f->err), 0);
	assert_int_equal(log_last_run(f->dir, &run, &f->err), 0);
	assert_int_equal(run, 0);
	open_log(f, 1 << 20, 4, 1);
	put(f, "first\n");
	log_writer_flush(&f->log);
	assert_next(f, "first");
	assert_end(f);
}

static void test_following_sees_each_record_once(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;
	int next = 0;

	open_log(f, 128 << 10, 100, 1);
	open_cursor(f);
	for (int round = 0; round < 50; round++) {
		put_numbered(f, round * 200, round * 200 + 200);
		while (log_cursor_next(f->cursor, &entry, &f->err) == 1) {
			char want[64];

			snprintf(want, sizeof(want), "line %06d\n", next++);
			assert_int_equal(entry.kind, LOG_ENTRY_RECORD);
			assert_memory_equal(entry.data, want, entry.len);
		}
		assert_int_equal(next, round * 200 + 200);
	}
}

static void test_evicted_is_told_with_counts(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;
	uint64_t records = 0, bytes = 0, gap_records = 0, gap_bytes = 0;

	open_log(f, 128 << 10, 2, 1);
	open_cursor(f);
	put_numbered(f, 0, 100);
	for (int i = 0; i < 50; i++, records++)
		assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	bytes = records * 12;
	/* The cursor's segment goes while it is in the middle of it. */
	put_numbered(f, 100, 20000);
	while (log_cursor_next(f->cursor, &entry, &f->err) == 1) {
		if (entry.kind == LOG_ENTRY_EVICTED) {
			gap_records += entry.gap_records;
			gap_bytes += entry.gap_bytes;
		} else {
			records++;
			bytes += entry.len;
		}
	}
	assert_true(gap_records > 0);
	assert_int_equal(records + gap_records, 20000);
	assert_int_equal(bytes + gap_bytes, 20000 * 12);

	open_cursor(f);
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.kind, LOG_ENTRY_EVICTED);
	assert_int_equal(entry.seq, 1);
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.kind, LOG_ENTRY_RECORD);
}

static void test_seek_last_and_seq(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;
	uint64_t seq;
	int count = 0;

	open_log(f, 128 << 10, 100, 1);
	put_numbered(f, 0, 10000);
	open_cursor(f);
	assert_int_equal(log_cursor_seek_last(f->cursor, 2, &f->err), 0);
	assert_next(f, "line 009998");
	seq = log_cursor_seq(f->cursor);
	assert_next(f, "line 009999");
	assert_end(f);
	/* More than fit into the buffer, so that it is found by counting. */
	assert_int_equal(log_cursor_seek_last(f->cursor, 5000, &f->err), 0);
	assert_next(f, "line 005000");
	assert_int_equal(log_cursor_seek_last(f->cursor, 1000000, &f->err), 0);
	assert_next(f, "line 000000");
	assert_int_equal(log_cursor_seek_seq(f->cursor, seq, &f->err), 0);
	assert_next(f, "line 009999");
	assert_end(f);
	put_numbered(f, 10000, 10500);
	while (log_cursor_next(f->cursor, &entry, &f->err) == 1)
		count++;
	assert_int_equal(count, 500);
	assert_int_equal(log_cursor_seek_seq(f->cursor, UINT64_MAX, &f->err), 0);
	assert_end(f);
}

static void test_seek_last_of_an_evicted_log_tells_no_gap(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;

	open_log(f, 128 << 10, 2, 1);
	put_numbered(f, 0, 20000);
	open_cursor(f);
	assert_int_equal(log_cursor_seek_last(f->cursor, 100000, &f->err), 0);
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.kind, LOG_ENTRY_RECORD);
}

/* The largest file may not grow: to a writer that is as good as a full disk. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGXFSZ, &ignore, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk_is_counted_and_told(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;
	uint64_t stored = 0;

	open_log(f, 1 << 20, 4, 1);
	put(f, "before\n");
	log_writer_flush(&f->log);
	limit_files(f->log.size + 10);
	put(f, "lost one\n");
	log_writer_flush(&f->log);
	put(f, "lost two\n");
	put(f, "lost three\n");
	log_writer_flush(&f->log);
	assert_int_equal(f->log.dropped_bytes, 29);
	limit_files(RLIM_INFINITY);
	put(f, "after\n");
	log_writer_flush(&f->log);
	put(f, "later\n");
	log_writer_flush(&f->log);

	open_cursor(f);
	assert_next(f, "before");
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.kind, LOG_ENTRY_DROPPED);
	assert_int_equal(entry.gap_records, 3);
	assert_int_equal(entry.gap_bytes, 29);
	assert_next(f, "after");
	assert_next(f, "later");
	assert_end(f);
	stored = 7 + 6 + 6;
	assert_int_equal(f->log.pos, stored + f->log.dropped_bytes);
	/* And the file is whole: a new run goes on behind it. */
	open_log(f, 1 << 20, 4, 2);
	assert_int_equal(f->log.pos, stored + 29);
}

static void test_exit_record_waits_for_room(void **state)
{
	struct fixture *f = *state;

	open_log(f, 1 << 20, 4, 1);
	put(f, "before\n");
	log_writer_flush(&f->log);
	limit_files(f->log.size + 10);
	assert_false(log_writer_finish(&f->log, "event=exit\ncode=1\n"));
	limit_files(RLIM_INFINITY);
	assert_true(log_writer_finish(&f->log, "event=exit\ncode=1\n"));
}

/* What one read of the keeper brought: a record of several lines, each with its own seq. */
static void test_lines_of_one_record_are_entries_each(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;

	open_log(f, 1 << 20, 4, 3);
	put(f, "one\n");
	put(f, "two\n\nfour\n");
	put(f, "five\nsix\n");
	log_writer_flush(&f->log);
	open_cursor(f);
	assert_next(f, "one");
	assert_next(f, "two");
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.seq, 3);
	assert_int_equal(entry.pos, 8);
	assert_int_equal(entry.len, 1);
	assert_next(f, "four");
	assert_int_equal(log_cursor_seq(f->cursor), 5);
	assert_next(f, "five");
	assert_next(f, "six");
	assert_end(f);
	/* Into the middle of a record, by seq and from the end. */
	assert_int_equal(log_cursor_seek_seq(f->cursor, 4, &f->err), 0);
	assert_next(f, "four");
	for (uint64_t n = 1; n <= 6; n++) {
		assert_int_equal(log_cursor_seek_last(f->cursor, n, &f->err), 0);
		assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
		assert_int_equal(entry.seq, 7 - n);
	}
}

static void test_seeking_by_time_and_run(void **state)
{
	struct fixture *f = *state;
	struct log_entry entry;

	for (uint32_t run = 1; run <= 5; run++) {
		open_log(f, 4 << 10, 100, run);
		for (int i = 0; i < 500; i++) {
			log_writer_tick(&f->log);
			f->log.real_ns = (int64_t)run * 1000 + i;
			log_writer_add(&f->log, LOG_OUT, 0, "line\n", 5);
			log_writer_flush(&f->log);
		}
	}
	open_cursor(f);
	for (uint32_t run = 1; run <= 5; run++) {
		assert_int_equal(log_cursor_seek_run(f->cursor, run, &f->err), 0);
		assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
		assert_true(entry.seq <= (run - 1) * 500 + 1);
		assert_true(entry.seq + (4 << 10) / LOG_RECORD_OVERHEAD > (run - 1) * 500 + 1);
		assert_int_equal(log_cursor_seek_time(f->cursor, run * 1000 + 250, &f->err), 0);
		assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
		assert_true(entry.real_ns <= run * 1000 + 250);
		assert_true(entry.seq + (4 << 10) / LOG_RECORD_OVERHEAD > (run - 1) * 500 + 251);
	}
	assert_int_equal(log_cursor_seek_time(f->cursor, 0, &f->err), 0);
	assert_int_equal(log_cursor_next(f->cursor, &entry, &f->err), 1);
	assert_int_equal(entry.seq, 1);
}

static void test_a_torn_tail_is_waited_for(void **state)
{
	struct fixture *f = *state;
	char record[256], name[LOG_SEGMENT_NAME_SIZE];
	struct log_record torn = {.seq = 3,
	                          .pos = 8,
	                          .run = 1,
	                          .stream = LOG_OUT,
	                          .lines = 1,
	                          .data = "c\n",
	                          .len = 2};
	size_t size = log_record_encode(&torn, record);
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;

	open_log(f, 1 << 20, 4, 1);
	put(f, "aaa\n");
	put(f, "bbb\n");
	log_writer_flush(&f->log);
	log_segment_name(1, name);
	path = path_join(f->dir, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, record, size - 9), size - 9);
	open_cursor(f);
	assert_next(f, "aaa");
	assert_next(f, "bbb");
	assert_end(f);
	assert_int_equal(log_cursor_seek_last(f->cursor, 1, &f->err), 0);
	assert_next(f, "bbb");
	assert_end(f);
	assert_int_equal(write(fd, record + size - 9, 9), 9);
	assert_next(f, "c");
	/* A torn record that is cut off by the next run, which writes another in its place. */
	assert_int_equal(write(fd, record, size - 9), size - 9);
	assert_end(f);
	open_log(f, 1 << 20, 4, 2);
	put(f, "ddd\n");
	log_writer_flush(&f->log);
	assert_next(f, "ddd");
}

static void test_exits_and_last_lines(void **state)
{
	struct fixture *f = *state;
	cleanup(strv_release) struct strv lines = STRV_INIT;
	struct log_exit exit;
	uint32_t run;

	open_log(f, 1 << 20, 4, 4);
	put(f, "old\n");
	assert_true(log_writer_finish(&f->log, "event=exit\ncode=0\nsignal=0\nkilled=0\n"));
	open_log(f, 1 << 20, 4, 5);
	for (int i = 0; i < 10; i++) {
		char line[32];

		snprintf(line, sizeof(line), "line %d\n", i);
		put(f, line);
	}
	log_writer_add(&f->log, LOG_ERR, LOG_PARTIAL, "Traceback", 9);
	assert_true(log_writer_finish(
		&f->log, "event=exit\ncode=-1\nsignal=9\nkilled=1\nrequested=1\nrun_ms=1234\n"));
	assert_int_equal(log_find_exit(f->dir, 5, &exit, &f->err), 1);
	assert_int_equal(exit.signal, 9);
	assert_int_equal(exit.code, -1);
	assert_true(exit.killed && exit.requested);
	assert_int_equal(exit.run_ms, 1234);
	assert_int_equal(log_find_exit(f->dir, 4, &exit, &f->err), 1);
	assert_int_equal(exit.code, 0);
	assert_int_equal(log_find_exit(f->dir, 6, &exit, &f->err), 0);
	assert_int_equal(log_last_run(f->dir, &run, &f->err), 0);
	assert_int_equal(run, 5);
	assert_int_equal(log_last_lines(f->dir, 5, 3, &lines, &f->err), 0);
	assert_int_equal(lines.len, 3);
	assert_string_equal(lines.items[0], "line 8");
	assert_string_equal(lines.items[2], "Traceback");
}

static bool is_readable(const struct log_watch *watch)
{
	struct pollfd pollfd = {.fd = log_watch_fd(watch), .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

static void test_watch_tells_of_growth(void **state)
{
	struct fixture *f = *state;
	struct log_watch *watch = log_watch_new(&f->err);

	assert_non_null(watch);
	open_log(f, 1 << 20, 4, 1);
	assert_int_equal(log_watch_add(watch, f->dir, &f->err), 0);
	assert_false(is_readable(watch));
	put(f, "x\n");
	log_writer_flush(&f->log);
	assert_true(is_readable(watch));
	log_watch_clear(watch);
	assert_false(is_readable(watch));
	log_watch_free(watch);
}

/* Two logs that take turns, the clock being set back by 100 after the first line of each. */
static void merge_two(struct fixture *f, uint32_t boot_of_second, struct strbuf *got)
{
	struct log_merge *merge = log_merge_new();
	struct log_entry entry;
	size_t tag;

	for (int log = 0; log < 2; log++) {
		struct log_writer writer = LOG_WRITER_INIT;
		char name[2] = {(char)('a' + log), 0};
		cleanup_free char *dir = path_join(f->dir, name);

		assert_int_equal(log_writer_open(&writer, dir, 1 << 20, 4, 1, &f->err), 0);
		writer.boot += log * boot_of_second;
		for (int i = 0; i < 3; i++) {
			writer.mono_ns = i * 10 + log;
			writer.real_ns = writer.mono_ns + (i > 0 ? 0 : 100);
			log_writer_add(&writer, LOG_OUT, 0, "x\n", 2);
		}
		log_writer_flush(&writer);
		log_writer_release(&writer);
		log_merge_add(merge, log_cursor_new(dir, &f->err), (size_t)log);
	}
	while (log_merge_next(merge, &entry, &tag, &f->err) == 1)
		strbuf_addf(got, "%zu@%" PRId64 " ", tag, entry.real_ns);
	log_merge_free(merge);
}

static void test_merge_is_by_the_clock_that_nobody_sets(void **state)
{
	cleanup(strbuf_release) struct strbuf got = STRBUF_INIT;

	merge_two(*state, 0, &got);
	assert_string_equal(got.buf, "0@100 1@101 0@10 1@11 0@20 1@21 ");
}

static void test_merge_between_boots_is_by_wall_clock(void **state)
{
	cleanup(strbuf_release) struct strbuf got = STRBUF_INIT;

	merge_two(*state, 1, &got);
	assert_string_equal(got.buf, "0@100 0@10 0@20 1@101 1@11 1@21 ");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_log),
		TEST(test_following_sees_each_record_once),
		TEST(test_evicted_is_told_with_counts),
		TEST(test_seek_last_and_seq),
		TEST(test_seek_last_of_an_evicted_log_tells_no_gap),
		TEST(test_full_disk_is_counted_and_told),
		TEST(test_exit_record_waits_for_room),
		TEST(test_lines_of_one_record_are_entries_each),
		TEST(test_seeking_by_time_and_run),
		TEST(test_a_torn_tail_is_waited_for),
		TEST(test_exits_and_last_lines),
		TEST(test_watch_tells_of_growth),
		TEST(test_merge_is_by_the_clock_that_nobody_sets),
		TEST(test_merge_between_boots_is_by_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
