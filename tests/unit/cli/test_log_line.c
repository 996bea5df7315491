#include "cli/log_line.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
	const char *service;
	struct log_entry entry;
};

#define AT(ms)     1769860866118000000 + (ms)*1000000LL
#define TEXT(text) .data = (text), .len = sizeof(text) - 1

static void assert_lines(struct log_view *view, const struct row *rows, size_t count,
                         const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < count; i++)
		log_view_render(view, &rows[i].entry, rows[i].service, &out);
	assert_string_equal(out.buf, expected);
	log_view_release(view);
}

static const struct row mixed[] = {
	{"web", {.real_ns = AT(0), .stream = LOG_OUT, TEXT("GET / 200 12ms\n")}},
	{"api", {.real_ns = AT(1294), .stream = LOG_ERR, TEXT("Error: listen\r\n")}},
	{"api",
         {.real_ns = AT(1302),
          .run = 5,
          .stream = LOG_EVENT,
          TEXT("event=exit\ncode=1\nsignal=0\nkilled=0\nrequested=0\nrun_ms=812\n")}},
	{"api",
         {.real_ns = AT(5313), .run = 6, .stream = LOG_EVENT, TEXT("event=start\npid=48977\n")}},
	{"api",
         {.kind = LOG_ENTRY_EVICTED, .real_ns = AT(0), .gap_records = 18204, .gap_bytes = 3100000}},
	{"web", {.kind = LOG_ENTRY_DROPPED, .gap_records = 1, .gap_bytes = 10}},
};

static void test_merged(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}, .has_prefix = true};

	log_view_add_name(&view, "cache");
	assert_lines(&view, mixed, ARRAY_LEN(mixed),
	             "12:01:06.118 web    │ GET / 200 12ms\n"
	             "12:01:07.412 api    ┃ Error: listen\n"
	             "12:01:07.420 api    ■ exited code 1 (run 5, lived 0.8s)\n"
	             "12:01:11.431 api    ▶ run 6 pid 48977\n"
	             "             api    … 18,204 lines (3.1 MB) evicted by size limit …\n"
	             "             web    … 1 line (10 B) lost: the disk was full …\n");
}

static void test_ascii(void **state unused_arg)
{
	struct log_view view = {.has_prefix = true};

	assert_lines(&view, mixed, ARRAY_LEN(mixed),
	             "12:01:06.118 web  | GET / 200 12ms\n"
	             "12:01:07.412 api  ! Error: listen\n"
	             "12:01:07.420 api  # exited code 1 (run 5, lived 0.8s)\n"
	             "12:01:11.431 api  > run 6 pid 48977\n"
	             "             api  ... 18,204 lines (3.1 MB) evicted by size limit ...\n"
	             "             web  ... 1 line (10 B) lost: the disk was full ...\n");
}

static void test_no_prefix(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}};

	assert_lines(&view, mixed, ARRAY_LEN(mixed),
	             "GET / 200 12ms\nError: listen\n■ exited code 1 (run 5, lived 0.8s)\n"
	             "▶ run 6 pid 48977\n"
	             "… 18,204 lines (3.1 MB) evicted by size limit …\n"
	             "… 1 line (10 B) lost: the disk was full …\n");
}

static void test_hostile(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true}, .has_prefix = true};
	static const struct row rows[] = {
		{"a", {.stream = LOG_OUT, TEXT("\033]0;title\a\033[2Jgone\n")}},
		{"a", {.stream = LOG_OUT, TEXT("\033]0;no end of a title\n")}},
		{"a", {.stream = LOG_OUT, TEXT("\033P1;2q\033\\\033(Bx\033[10;10Hy\033[")}},
		{"a", {.stream = LOG_OUT, TEXT("\033[31mred\033[0m\xe2\x80\xaetxt\n")}},
		{"a", {.stream = LOG_ERR, TEXT("\377\0a\n")}},
		{"\033[2J", {.stream = LOG_EVENT, TEXT("\033[31m")}},
		{"a", {.stream = LOG_OUT, .flags = LOG_CONT, TEXT("half")}},
		{"a", {.stream = LOG_OUT, .flags = LOG_PARTIAL, TEXT("")}},
	};

	assert_lines(&view, rows, ARRAY_LEN(rows),
	             "             a  │ gone\n"
	             "             a  │ \\x1b]0;no end of a title\n"
	             "             a  │ xy\\x1b[\n"
	             "             a  │ red\\u{202e}txt\n"
	             "             a  ┃ \\xff\\x00a\n"
	             "             \\x1b[2J  ■ \\x1b[31m\n"
	             "             a        │ half…\n"
	             "             a        │ \n");
}

/* What a terminal would show in the end. */
static void test_progress_bars(void **state unused_arg)
{
	struct log_view view = {0};
	static const struct row rows[] = {
		{"a", {.stream = LOG_OUT, TEXT(" 10%\r 50%\r100% done\n")}},
		{"a", {.stream = LOG_OUT, TEXT("\r\033[K[####] 7/7\r\r\n")}},
		{"a", {.stream = LOG_OUT, TEXT("\r\n")}},
	};

	assert_lines(&view, rows, ARRAY_LEN(rows), "100% done\n[####] 7/7\n\n");
}

static void test_colour(void **state unused_arg)
{
	struct log_view view = {.style = {.unicode = true, .colour = true}};
	static const struct row row = {"a", {.stream = LOG_OUT, TEXT("\033[31mred\033[K")}};

	assert_lines(&view, &row, 1, "\033[31mred\033[0m\n");
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
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_no_prefix),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_progress_bars),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_colours_of_services),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
