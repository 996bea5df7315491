#include "keeper/spool.c"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "keeper/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
	char *dir;
	int pipe[2];
	struct log_writer log;
	struct spool spool, next; /* the next keeper's */
	struct capture capture;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-spool-XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->log = (struct log_writer)LOG_WRITER_INIT;
	f->spool = f->next = (struct spool)SPOOL_INIT;
	assert_int_equal(fd_pipe(f->pipe, &f->err), 0);
	assert_int_equal(fd_set_nonblock(f->pipe[0], true, &f->err), 0);
	assert_int_equal(log_writer_open(&f->log, f->dir, 1 << 20, 4, 1, &f->err), 0);
	assert_int_equal(spool_open(&f->spool, &f->err), 0);
	spool_keep(&f->spool, &f->log);
	f->capture = (struct capture){.fd = f->pipe[0], .stream = LOG_OUT, .spool = &f->spool};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	log_writer_release(&f->log);
	spool_release(&f->spool);
	spool_release(&f->next);
	close(f->pipe[0]);
	close(f->pipe[1]);
	fs_remove_tree(AT_FDCWD, f->dir, &f->err);
	error_release(&f->err);
	free(f->dir);
	free(f);
	return 0;
}

static void say(struct fixture *f, char c, size_t len, const char *end)
{
	cleanup_free char *text = xmalloc(len);

	memset(text, c, len);
	assert_int_equal(write(f->pipe[1], text, len), len);
	assert_int_equal(write(f->pipe[1], end, strlen(end)), strlen(end));
}

/* What the next keeper finds of standard output, when this one is killed now. */
static const char *found_by_next(struct fixture *f, size_t *ret_len)
{
	int fds[SPOOL_STREAMS];

	for (int i = 0; i < SPOOL_STREAMS; i++) {
		fds[i] = fcntl(f->spool.streams[i].fd, F_DUPFD_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
	}
	spool_release(&f->next);
	assert_true(spool_adopt(&f->next, fds));
	log_writer_release(&f->log);
	assert_int_equal(log_writer_open(&f->log, f->dir, 1 << 20, 4, 1, &f->err), 0);
	spool_recover(&f->next, &f->log);
	return spool_bytes(&f->next, 0, ret_len);
}

static void assert_found(struct fixture *f, char c, size_t wanted)
{
	size_t len;
	const char *bytes = found_by_next(f, &len);

	assert_int_equal(len, wanted);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], c);
}

static void test_what_was_taken_is_found(void **state)
{
	struct fixture *f = *state;

	say(f, 'a', 100, "");
	assert_true(capture_read(&f->capture, &f->log));
	assert_found(f, 'a', 100);
}

static void test_what_is_in_the_log_is_not_found_again(void **state)
{
	struct fixture *f = *state;

	say(f, 'a', 5000, "\n");
	say(f, 'b', 70, "");
	assert_true(capture_read(&f->capture, &f->log));
	/* Killed before the batch goes out, the line is still there: */
	assert_int_equal(f->log.part_count, 3);
	assert_int_equal(f->log.parts[1].iov_len, 5001);
	log_writer_flush(&f->log);
	/* and after it, before this is noted, the log tells. */
	assert_found(f, 'b', 70);
}

/* A line that begins late goes to the front; at each step a SIGKILL leaves it whole. */
static void test_a_line_that_is_moved_is_found_at_each_step(void **state)
{
	struct fixture *f = *state;
	struct spool_page before;
	struct log_position position;

	say(f, 'a', 50000, "\n");
	assert_true(capture_read(&f->capture, &f->log));
	say(f, 'b', 9000, "");
	assert_true(capture_read(&f->capture, &f->log));
	log_writer_flush(&f->log);
	assert_found(f, 'b', 9000);

	log_writer_position(&f->log, &position);
	mark(&f->spool, &position);
	assert_found(f, 'b', 9000);
	before = *f->spool.page;
	assert_true(settle(&f->spool, 0));
	assert_memory_equal(&before, f->spool.page, sizeof(before));
	assert_found(f, 'b', 9000);
	mark(&f->spool, &position);
	assert_int_equal(f->spool.streams[0].begin, 0);
	assert_int_equal(f->spool.streams[0].end, 9000);
	assert_found(f, 'b', 9000);
}

/* All room is used, and lines of half of it are never cut. */
static void test_a_line_is_cut_only_when_it_has_to_be(void **state)
{
	struct fixture *f = *state;

	say(f, 'a', 100, "\n");
	assert_true(capture_read(&f->capture, &f->log));
	for (size_t len = 0; len < SPOOL_SIZE / 2; len += 1024) {
		say(f, 'b', 1024, "");
		assert_true(capture_read(&f->capture, &f->log));
		log_writer_flush(&f->log);
		spool_keep(&f->spool, &f->log);
		assert_false(spool_is_full(&f->spool, 0));
		assert_false(f->spool.streams[0].is_continued);
	}
	for (size_t len = 0; len < SPOOL_SIZE; len += 1024) {
		say(f, 'b', 1024, "");
		assert_true(capture_read(&f->capture, &f->log));
		log_writer_flush(&f->log);
		spool_keep(&f->spool, &f->log);
	}
	assert_true(f->spool.streams[0].is_continued);
}

static void test_other_files_are_no_spool(void **state)
{
	struct fixture *f = *state;
	int fds[SPOOL_STREAMS] = {f->pipe[0], f->pipe[1]};
	struct spool spool = SPOOL_INIT;

	assert_false(spool_adopt(&spool, fds));
	f->spool.page->magic++;
	for (int i = 0; i < SPOOL_STREAMS; i++)
		fds[i] = fcntl(f->spool.streams[i].fd, F_DUPFD_CLOEXEC, 0);
	assert_false(spool_adopt(&f->next, fds));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_taken_is_found),
		TEST(test_what_is_in_the_log_is_not_found_again),
		TEST(test_a_line_that_is_moved_is_found_at_each_step),
		TEST(test_a_line_is_cut_only_when_it_has_to_be),
		TEST(test_other_files_are_no_spool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
