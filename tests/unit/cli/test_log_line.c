#include "cli/log_line.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void render(struct log_view *view, const char *json, struct strbuf *out)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *record = json_parse(json, strlen(json), &err);

	assert_non_null(record);
	assert_int_equal(log_view_render(view, record, out, &err), 0);
}

static void assert_lines(struct log_view *view, const char *const *records, const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (; *records; records++)
		render(view, *records, &out);
	assert_string_equal(out.buf, expected);
	log_view_release(view);
}

static const char *const mixed[] = {
	"{\"service\":\"web\",\"time\":\"2026-01-31T12:01:06.118Z\",\"stream\":\"out\","
	"\"text\":\"GET / 200 12ms\"}",
	"{\"service\":\"api\",\"time\":\"2026-01-31T12:01:07.412Z\",\"stream\":\"err\","
	"\"text\":\"Error: listen\"}",
	"{\"service\":\"api\",\"time\":\"2026-01-31T12:01:07.420Z\",\"stream\":\"event\","
	"\"text\":\"exited with code 1\"}",
	"{\"service\":\"api\",\"time\":\"2026-01-31T12:01:11.431Z\",\"stream\":\"event\","
	"\"text\":\"started, pid 48977\"}",
	"{\"gap\":{\"service\":\"api\",\"kind\":\"evicted\",\"records\":18204,\"bytes\":3100000}}",
	"{\"gap\":{\"service\":\"web\",\"kind\":\"dropped\",\"records\":1,\"bytes\":10}}",
	NULL,
};

static void test_merged(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}, .has_prefix = true};

	log_view_add_name(&view, "cache");
	assert_lines(&view, mixed,
	             "12:01:06.118 web    │ GET / 200 12ms\n"
	             "12:01:07.412 api    ┃ Error: listen\n"
	             "12:01:07.420 api    ■ exited with code 1\n"
	             "12:01:11.431 api    ▶ started, pid 48977\n"
	             "             api    … 18,204 lines (3.1 MB) evicted by size limit …\n"
	             "             web    … 1 line (10 B) lost: the disk was full …\n");
}

static void test_ascii(void **state unused_arg)
{
	struct log_view view = {.has_prefix = true};

	assert_lines(&view, mixed,
	             "12:01:06.118 web  | GET / 200 12ms\n"
	             "12:01:07.412 api  ! Error: listen\n"
	             "12:01:07.420 api  # exited with code 1\n"
	             "12:01:11.431 api  > started, pid 48977\n"
	             "             api  ... 18,204 lines (3.1 MB) evicted by size limit ...\n"
	             "             web  ... 1 line (10 B) lost: the disk was full ...\n");
}

static void test_no_prefix(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}};

	assert_lines(&view, mixed,
	             "GET / 200 12ms\nError: listen\n■ exited with code 1\n▶ started, pid 48977\n"
	             "… 18,204 lines (3.1 MB) evicted by size limit …\n"
	             "… 1 line (10 B) lost: the disk was full …\n");
}

static void test_raw(void **state unused_arg)
{
	struct log_view view = {.is_raw = true};
	const char *const records[] = {
		mixed[0],
		mixed[2],
		mixed[4],
		"{\"service\":\"a\",\"stream\":\"out\",\"text\":\"\\u001b[2J\",\"cont\":true}",
		"{\"service\":\"a\",\"stream\":\"out\",\"base64\":\"/wBh\"}",
		NULL,
	};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	static const char expected[] = "GET / 200 12ms\n\033[2J\377\0a\n";

	for (const char *const *record = records; *record; record++)
		render(&view, *record, &out);
	assert_int_equal(out.len, sizeof(expected) - 1);
	assert_memory_equal(out.buf, expected, out.len);
	log_view_release(&view);
}

static void test_hostile(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}, .has_prefix = true};
	const char *const records[] = {
		"{\"service\":\"a\",\"stream\":\"out\",\"text\":\"\\u001b]0;x\\u0007\\u001b["
		"2J\\r\"}",
		"{\"service\":\"a\",\"stream\":\"out\",\"text\":\"\\u001b[31mred\\u001b["
		"0m\\u202etxt\"}",
		"{\"service\":\"a\",\"stream\":\"err\",\"base64\":\"/wBh\"}",
		"{\"service\":\"\\u001b[2J\",\"stream\":\"event\",\"text\":\"\\u001b[31m\"}",
		"{\"service\":\"a\",\"time\":\"not a time\",\"stream\":\"out\",\"text\":\"half\","
		"\"cont\":true}",
		"{}",
		NULL,
	};

	assert_lines(&view, records,
	             "             a  │ \\x1b]0;x\\x07\\x1b[2J\n"
	             "             a  │ red\\u{202e}txt\n"
	             "             a  ┃ \\xff\\x00a\n"
	             "             \\x1b[2J  ■ \\x1b[31m\n"
	             "             a        │ half…\n"
	             "             ?        │ \n");
}

static void test_colour(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true, .colour = true}};
	const char *const records[] = {
		"{\"service\":\"a\",\"stream\":\"out\",\"text\":\"\\u001b[31mred\"}", NULL};

	assert_lines(&view, records, "\033[31mred\033[0m\n");
}

static void test_bad_base64(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *record = json_pack("{s:s, s:s}", "stream", "out", "base64", "!!");
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct log_view view = {0};

	assert_int_equal(log_view_render(&view, record, &out, &err), -1);
	assert_int_equal(out.len, 0);
}

static void test_colours_of_services(void **state unused_arg)
{
	struct log_view view = {0};

	log_view_add_name(&view, "web");
	log_view_add_name(&view, "api");
	log_view_add_name(&view, "web");
	assert_int_equal(view.names.len, 2);
	assert_int_equal(index_of(&view, "api"), 1);
	assert_int_not_equal(style_nth_colour(0), style_nth_colour(1));
	log_view_release(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merged),     cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_no_prefix),  cmocka_unit_test(test_raw),
		cmocka_unit_test(test_hostile),    cmocka_unit_test(test_colour),
		cmocka_unit_test(test_bad_base64), cmocka_unit_test(test_colours_of_services),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
