#include "service/log_match.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "keeper/log_writer.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
	char *dir;
	struct loop *loop;
	struct log_writer log;
	struct log_matcher matcher;
	struct log_match *match;
	struct error err;
	int matched;
	char *failure;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-match-XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->log = (struct log_writer)LOG_WRITER_INIT;
	f->loop = loop_new(&f->err);
	f->matcher.loop = f->loop;
	*state = f;
	return f->loop ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	log_match_free(f->match);
	assert_null(f->matcher.watch);
	log_writer_release(&f->log);
	loop_free(f->loop);
	fs_remove_tree(AT_FDCWD, f->dir, &f->err);
	error_release(&f->err);
	free(f->failure);
	free(f->dir);
	free(f);
	return 0;
}

static void open_log(struct fixture *f, uint32_t run)
{
	log_writer_release(&f->log);
	assert_int_equal(log_writer_open(&f->log, f->dir, 1 << 20, 4, run, &f->err), 0);
}

static void put(struct fixture *f, unsigned int flags, const char *text)
{
	log_writer_tick(&f->log);
	log_writer_add(&f->log, LOG_OUT, flags, text, strlen(text));
	log_writer_flush(&f->log);
}

static void on_match(const struct error *err, void *data)
{
	struct fixture *f = data;

	f->matched++;
	f->failure = err ? xstrdup(err->text) : NULL;
	loop_stop(f->loop, 0);
}

static void stop(struct loop_source *source, void *data)
{
	loop_stop(((struct fixture *)data)->loop, 0);
}

static void run_for(struct fixture *f, int64_t ms)
{
	struct loop_source *timer = loop_add_timer(f->loop, ms, stop, f);

	assert_int_equal(loop_run(f->loop, &f->err), 0);
	loop_source_free(timer);
}

/* Long enough for a match that must not be. */
static void settle(struct fixture *f)
{
	run_for(f, 50);
	assert_int_equal(f->matched, 0);
}

static void expect_match(struct fixture *f)
{
	run_for(f, 20000);
	assert_int_equal(f->matched, 1);
}

static void wait_for(struct fixture *f, uint32_t run, const char *pattern)
{
	f->match = log_match_new(&f->matcher, f->dir, run, pattern, on_match, f);
}

static void what_is_there_already_matches(void **state)
{
	struct fixture *f = *state;

	open_log(f, 3);
	put(f, 0, "booting\n");
	put(f, 0, "\033[32mready\033[0m in 312 ms\r\n");
	wait_for(f, 3, "^ready in [0-9]+ ms$");
	assert_int_equal(f->matched, 0);
	expect_match(f);
	assert_null(f->failure);
}

static void what_comes_later_matches_when_its_line_is_whole(void **state)
{
	struct fixture *f = *state;

	wait_for(f, 1, "ready at last");
	settle(f);
	open_log(f, 1);
	put(f, LOG_CONT, "ready ");
	settle(f);
	put(f, 0, "at last\n");
	expect_match(f);
}

static void another_run_is_not_this_one(void **state)
{
	struct fixture *f = *state;

	open_log(f, 1);
	put(f, 0, "ready\n");
	wait_for(f, 2, "ready");
	settle(f);
	open_log(f, 2);
	put(f, 0, "ready\n");
	expect_match(f);
}

static void a_long_log_is_read_to_its_end(void **state)
{
	struct fixture *f = *state;

	open_log(f, 1);
	for (int i = 0; i < 10000; i++) {
		log_writer_tick(&f->log);
		log_writer_add(&f->log, LOG_OUT, 0, "no\n", 3);
		if (i % 100 == 0)
			log_writer_flush(&f->log);
	}
	put(f, 0, "yes\n");
	wait_for(f, 1, "yes");
	expect_match(f);
}

static void a_bad_pattern_is_told(void **state)
{
	struct fixture *f = *state;

	wait_for(f, 1, "(");
	expect_match(f);
	assert_non_null(strstr(f->failure, "Unmatched"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_already_matches),
		TEST(what_comes_later_matches_when_its_line_is_whole),
		TEST(another_run_is_not_this_one),
		TEST(a_long_log_is_read_to_its_end),
		TEST(a_bad_pattern_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
