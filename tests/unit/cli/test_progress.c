#include "cli/progress.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cli cli = {.interrupt_fd = -1,
                         .output = {.err = {.unicode = true}, .is_quiet = true}};

static void feed(struct progress *progress, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *event = json_parse(text, strlen(text), &err);

	assert_non_null(event);
	assert_int_equal(on_line(event, progress, &err), 0);
}

static void test_service(void **state unused_arg)
{
	cleanup(progress_release) struct progress progress;
	const struct progress_row *web;

	progress_init(&progress, &cli, "up");
	feed(&progress, "{\"event\":\"service\",\"service\":\"web\",\"state\":\"waiting\","
	                "\"ready\":false,\"detail\":\"waits for \\u001bapi\"}");
	web = progress_find(&progress, "web");
	assert_non_null(web);
	assert_false(web->is_over);
	assert_string_equal(web->text, "waits for \\x1bapi");
	feed(&progress, "{\"event\":\"service\",\"service\":\"web\",\"state\":\"running\","
	                "\"ready\":true}");
	web = progress_find(&progress, "web");
	assert_true(web->is_over && web->is_ready);
	assert_null(web->text);
	assert_string_equal(word(web), "ready");
	assert_null(progress_find(&progress, "api"));
}

static void test_job(void **state unused_arg)
{
	cleanup(progress_release) struct progress progress;
	const struct progress_row *row;

	progress_init(&progress, &cli, "pull");
	feed(&progress, "{\"event\":\"progress\",\"phase\":\"download\",\"text\":\"3 of 5\"}");
	row = progress_find(&progress, "pull");
	assert_string_equal(word(row), "download");
	assert_string_equal(row->text, "3 of 5");
	for (int i = 0; i < PROGRESS_TAIL + 5; i++) {
		cleanup_free char *text =
			xasprintf("{\"event\":\"log\",\"text\":\"\\u001b[31mline %d\"}", i);

		feed(&progress, text);
	}
	row = progress_find(&progress, "pull");
	assert_int_equal(row->tail.len, PROGRESS_TAIL);
	assert_string_equal(row->tail.items[0], "line 5");
	assert_string_equal(row->tail.items[PROGRESS_TAIL - 1], "line 24");
}

static void test_images(void **state unused_arg)
{
	cleanup(progress_release) struct progress progress;

	progress_init(&progress, &cli, "build");
	feed(&progress, "{\"event\":\"image\",\"service\":\"web\",\"image\":\"i\","
	                "\"result\":{\"hit\":true}}");
	assert_int_equal(json_array_size(progress.images), 1);
	assert_true(progress_find(&progress, "web")->is_over);
	assert_string_equal(word(progress_find(&progress, "web")), "image unchanged");
}

static void test_rows(void **state unused_arg)
{
	cleanup(progress_release) struct progress progress;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	progress_init(&progress, &cli, "up");
	feed(&progress, "{\"event\":\"service\",\"service\":\"web\",\"state\":\"waiting\","
	                "\"detail\":\"waits for api\"}");
	feed(&progress, "{\"event\":\"service\",\"service\":\"api\",\"state\":\"crashed\","
	                "\"detail\":\"exited with code 1\"}");
	feed(&progress, "{\"event\":\"service\",\"service\":\"db\",\"state\":\"running\","
	                "\"ready\":true}");
	array_foreach(row, &progress.rows) {
		row->took_ms = 1200;
		add_row(&progress, row, 5, &out);
	}
	assert_string_equal(out.buf, "· web    waiting   waits for api\n"
	                             "✘ api    crashed 1.2s  exited with code 1\n"
	                             "✔ db     ready 1.2s\n");
}

static void test_result(void **state unused_arg)
{
	cleanup(progress_release) struct progress progress;

	progress_init(&progress, &cli, "up");
	feed(&progress, "{\"event\":\"of the future\"}");
	assert_null(progress.result);
	feed(&progress, "{\"event\":\"result\",\"ok\":true}");
	assert_non_null(progress.result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service), cmocka_unit_test(test_job),
		cmocka_unit_test(test_images),  cmocka_unit_test(test_rows),
		cmocka_unit_test(test_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
