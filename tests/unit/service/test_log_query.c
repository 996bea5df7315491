#include "service/log_query.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "keeper/log_writer.h"
#include "service/log_json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Two services, a and b, whose lines take turns: a's of even times, b's of odd ones. */
struct fixture {
	char *dir, *dirs[2];
	struct log_writer logs[2];
	int64_t now;
};

static void open_log(struct fixture *f, int i, uint32_t run)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	log_writer_release(&f->logs[i]);
	assert_int_equal(log_writer_open(&f->logs[i], f->dirs[i], 64 << 10, 100, run, &err), 0);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-query-XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->dirs[0] = path_join(f->dir, "a");
	f->dirs[1] = path_join(f->dir, "b");
	f->now = 1000;
	for (int i = 0; i < 2; i++) {
		f->logs[i] = (struct log_writer)LOG_WRITER_INIT;
		open_log(f, i, 1);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	for (int i = 0; i < 2; i++) {
		log_writer_release(&f->logs[i]);
		free(f->dirs[i]);
	}
	fs_remove_tree(AT_FDCWD, f->dir, &err);
	free(f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, int i, enum log_stream stream, const char *text)
{
	f->logs[i].real_ns = f->logs[i].mono_ns = f->now++;
	log_writer_add(&f->logs[i], stream, 0, text, strlen(text));
	log_writer_flush(&f->logs[i]);
}

static struct log_query *ask(struct fixture *f, const struct log_filter *filter)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_query *query = log_query_new(filter);

	for (int i = 0; i < 2; i++)
		assert_int_equal(log_query_add(query, f->dirs[i], &err), 0);
	assert_int_equal(log_query_begin(query, &err), 0);
	return query;
}

/* "a:one b:two -- a:three" */
static void add_answer(struct log_query *query, struct strbuf *out)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_match match;

	while (log_query_next(query, &match, &err) == 1) {
		if (match.is_apart)
			strbuf_adds(out, "-- ");
		strbuf_addf(out, "%c:", "ab"[match.tag]);
		log_entry_text(&match.entry, out);
		strbuf_addch(out, ' ');
	}
	assert_int_equal(err.code, 0);
}

static void assert_answer(struct fixture *f, struct log_filter filter, const char *expected)
{
	cleanup(freep_log_query) struct log_query *query = ask(f, &filter);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	add_answer(query, &out);
	assert_string_equal(out.buf, expected);
}

static const char *const words[] = {"one", "two",   "three", "four", "five",
                                    "six", "seven", "eight", "nine", "ten"};

static void put_words(struct fixture *f)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		cleanup_free char *line = xasprintf("%s\n", words[i]);

		put(f, i % 2, i % 3 == 0 ? LOG_ERR : LOG_OUT, line);
	}
}

static void test_the_last_lines_are_of_the_merge(void **state)
{
	struct fixture *f = *state;

	put_words(f);
	assert_answer(f, (struct log_filter){.last = 3}, "b:eight a:nine b:ten ");
	assert_answer(f, (struct log_filter){.last = 0}, "");
	assert_answer(f, (struct log_filter){.last = 9999},
	              "a:one b:two a:three b:four a:five b:six a:seven b:eight a:nine b:ten ");
	put(f, 0, LOG_OUT, "x\ny\nz\n");
	assert_answer(f, (struct log_filter){.last = 2}, "a:y a:z ");
	assert_answer(f, (struct log_filter){.last = 4}, "b:ten a:x a:y a:z ");
}

static void test_filters(void **state)
{
	struct fixture *f = *state;
	regex_t e_at_end;

	put_words(f);
	assert_int_equal(regcomp(&e_at_end, "e$", REG_EXTENDED), 0);
	assert_answer(
		f, (struct log_filter){.last = LOG_QUERY_ALL, .since_ns = 1003, .until_ns = 1005},
		"b:four a:five b:six ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .stream = LOG_ERR},
	              "a:one b:four a:seven b:ten ");
	assert_answer(f, (struct log_filter){.last = 2, .stream = LOG_ERR}, "a:seven b:ten ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .pattern = &e_at_end},
	              "a:one a:three a:five a:nine ");
	assert_answer(f, (struct log_filter){.last = 2, .pattern = &e_at_end, .is_inverted = true},
	              "b:eight b:ten ");
	assert_answer(f, (struct log_filter){.last = 1, .pattern = &e_at_end}, "a:nine ");
	regfree(&e_at_end);
}

static void test_context(void **state)
{
	struct fixture *f = *state;
	regex_t pattern;

	put_words(f);
	assert_int_equal(regcomp(&pattern, "two|three|nine", REG_EXTENDED), 0);
	assert_answer(f,
	              (struct log_filter){.last = LOG_QUERY_ALL, .pattern = &pattern, .context = 1},
	              "a:one b:two a:three b:four -- b:eight a:nine b:ten ");
	assert_answer(f, (struct log_filter){.last = 1, .pattern = &pattern, .context = 2},
	              "a:seven b:eight a:nine b:ten ");
	regfree(&pattern);
}

static void test_levels_are_inherited_by_indented_lines(void **state)
{
	struct fixture *f = *state;

	put(f, 0, LOG_ERR, "Error: boom\n");
	put(f, 0, LOG_ERR, "    at main\n");
	put(f, 0, LOG_ERR, "and on\n");
	put(f, 0, LOG_ERR, "    more\n");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .level = LOG_LEVEL_WARN},
	              "a:Error: boom a:    at main ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .level = LOG_LEVEL_INFO},
	              "a:Error: boom a:    at main a:and on a:    more ");
}

static void test_runs(void **state)
{
	struct fixture *f = *state;

	for (uint32_t run = 1; run <= 3; run++) {
		cleanup_free char *line = xasprintf("run-%u\n", run);

		open_log(f, 0, run);
		put(f, 0, LOG_OUT, line);
	}
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .run = 2}, "a:run-2 ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .run = -1}, "a:run-2 ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .run = -2}, "a:run-1 ");
	assert_answer(f, (struct log_filter){.last = LOG_QUERY_ALL, .run = -3}, "");
	assert_answer(f, (struct log_filter){.last = 5, .since_start = true}, "a:run-3 ");
}

static void test_the_last_match_far_back(void **state)
{
	struct fixture *f = *state;
	regex_t pattern;

	put(f, 0, LOG_OUT, "needle\n");
	for (int i = 0; i < 5000; i++)
		put(f, i % 2, LOG_OUT, "hay\n");
	assert_int_equal(regcomp(&pattern, "needle", REG_EXTENDED), 0);
	assert_answer(f, (struct log_filter){.last = 3, .pattern = &pattern}, "a:needle ");
	regfree(&pattern);
}

static void test_following(void **state)
{
	struct fixture *f = *state;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(freep_log_query) struct log_query *query = NULL;

	put_words(f);
	query = ask(f, &(struct log_filter){.last = 1});
	add_answer(query, &out);
	put(f, 0, LOG_OUT, "new\n");
	add_answer(query, &out);
	put(f, 1, LOG_OUT, "newer\n");
	add_answer(query, &out);
	assert_string_equal(out.buf, "b:ten a:new b:newer ");
}

static void test_json_is_lossless(void **state)
{
	static const struct {
		struct log_entry entry;
		const char *json;
	} cases[] = {
		{{.seq = 1, .run = 2, .stream = LOG_OUT, .data = "a\"\\\t\r\n", .len = 6},
	         "\"text\":\"a\\\"\\\\\\u0009\\u000d\"}"},
		{{.seq = 1, .stream = LOG_ERR, .flags = LOG_CONT, .data = "\0x", .len = 2},
	         "\"text\":\"\\u0000x\",\"cont\":true}"},
		{{.seq = 1, .stream = LOG_OUT, .flags = LOG_PARTIAL, .data = "\377\376", .len = 2},
	         "\"base64\":\"//4=\",\"partial\":true}"},
		{{.kind = LOG_ENTRY_DROPPED, .gap_records = 3, .gap_bytes = 9},
	         "\"kind\":\"dropped\",\"records\":3,\"bytes\":9}}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

		log_json_add(&cases[i].entry, "web", &out);
		assert_int_equal(out.buf[out.len - 1], '\n');
		strbuf_truncate(&out, out.len - 1);
		if (!str_ends(out.buf, cases[i].json))
			fail_msg("%s", out.buf);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_last_lines_are_of_the_merge),
		TEST(test_filters),
		TEST(test_context),
		TEST(test_levels_are_inherited_by_indented_lines),
		TEST(test_runs),
		TEST(test_the_last_match_far_back),
		TEST(test_following),
		cmocka_unit_test(test_json_is_lossless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
