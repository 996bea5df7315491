#include "base/error.h"
#include "cli/report.c"
#include "cli/report_status.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char shop[] =
	"{\"id\":\"shop-1\",\"name\":\"shop\",\"root\":\"/home/me/code/shop\",\"services\":["
	"{\"name\":\"web\",\"mode\":\"host\",\"state\":\"running\",\"ready\":true,"
	"\"health\":{\"kind\":\"http\",\"ok\":true,\"ms\":12},\"pid\":48213,\"uptime_ms\":8040000,"
	"\"cpu_percent\":0.41,\"memory_bytes\":190840832,"
	"\"restarts\":0,\"last_exit\":null,\"port\":41233,\"url\":\"http://shop.localhost\","
	"\"warnings\":[\"web listens on port 5173, not on $PORT (41233)\"]},"
	"{\"name\":\"api\",\"mode\":\"container\",\"state\":\"crashed\",\"ready\":false,"
	"\"detail\":\"exited with code 1\",\"pid\":null,\"uptime_ms\":null,\"restarts\":5,"
	"\"last_exit\":{\"code\":1,\"signal\":0,\"ago_ms\":8100},\"next_try_ms\":4000,\"port\":"
	"41234,"
	"\"last_lines\":[\"node:1\",\"Error: \\u001b[31mCannot\\u001b[0m find \\u0007\"],"
	"\"url\":\"http://api.shop.localhost\",\"warnings\":[]},"
	"{\"name\":\"db\",\"mode\":\"host\",\"state\":\"running\",\"ready\":true,"
	"\"health\":{\"kind\":\"tcp\",\"ok\":true},\"pid\":48190,\"uptime_ms\":900,\"restarts\":0,"
	"\"port\":41231,\"url\":null,\"cpu_percent\":0,\"memory_bytes\":400000,"
	"\"log_full\":true,\"log_dropped_bytes\":1234567},"
	"{\"name\":\"job\",\"mode\":\"host\",\"state\":\"waiting\",\"ready\":false,"
	"\"detail\":\"waits for api\",\"pid\":null,\"restarts\":0,\"port\":null,\"url\":null}]}";

static const struct style plain = {.unicode = true};

static json_t *parse(const char *text)
{
	struct error err = ERROR_INIT;
	json_t *value = json_parse(text, strlen(text), &err);

	assert_non_null(value);
	return value;
}

static void assert_status(const char *daemon_text, int width, const char *expected)
{
	cleanup_json json_t *project = parse(shop);
	cleanup_json json_t *daemon = daemon_text ? parse(daemon_text) : NULL;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style style = {.unicode = true, .width = width};

	report_status(daemon, project, &style, &out);
	assert_string_equal(out.buf, expected);
}

static void test_status_80(void **state unused_arg)
{
	assert_status(
		"{\"version\":\"1.4.0\",\"uptime_ms\":259200000}", 80,
		"shop  ~/code/shop  daemon 1.4.0 up 3d0h                                2/4 ready\n"
		"  SERVICE  STATE    HEALTH                          URL\n"
		"  web      running  ok http 12ms                    http://shop.localhost\n"
		"  api      crashed  exit 1, 8s ago, next try in 4s  http://api.shop.localhost\n"
		"  db       running  ok tcp                          127.0.0.1:41231\n"
		"  job      waiting  waits for api\n"
		"problems\n"
		"  web  web listens on port 5173, not on $PORT (41233)\n"
		"  api  exited with code 1, last line: Error: Cannot find \\x07   → locald "
		"logs api --since-start\n"
		"  db  log disk full, 1,234,567 bytes dropped   → make room; the service runs "
		"on\n");
}

static void test_status_unlimited(void **state unused_arg)
{
	assert_status(
		NULL, 0,
		"shop  ~/code/shop  daemon not running                                  2/4 ready\n"
		"  SERVICE  MODE       STATE    HEALTH                          UP     PID    CPU  "
		" "
		"MEM   RESTARTS  URL\n"
		"  web      host       running  ok http 12ms                    2h14m  48213  0.4% "
		" "
		"182M  0         http://shop.localhost\n"
		"  api      container  crashed  exit 1, 8s ago, next try in 4s                     "
		" "
		"      5         http://api.shop.localhost\n"
		"  db       host       running  ok tcp                          0s     48190  0.0% "
		" "
		"390K  0         127.0.0.1:41231\n"
		"  job      host       waiting  waits for api                                      "
		" "
		"      0\n"
		"problems\n"
		"  web  web listens on port 5173, not on $PORT (41233)\n"
		"  api  exited with code 1, last line: Error: Cannot find \\x07   → locald logs "
		"api --since-start\n"
		"  db  log disk full, 1,234,567 bytes dropped   → make room; the service runs "
		"on\n");
}

static void test_status_40(void **state unused_arg)
{
	cleanup_json json_t *project = parse(shop);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style style = {.unicode = true, .width = 40};

	add_table(json_object_get(project, "services"), &style, &out);
	assert_string_equal(out.buf, "  SERVICE  STATE    URL\n"
	                             "  web      running  http://shop.localhost\n"
	                             "  api      crashed  http://api.shop.localhost\n"
	                             "  db       running  127.0.0.1:41231\n"
	                             "  job      waiting\n");
}

static void assert_up(const char *fields, const char *expected)
{
	cleanup_free char *text = xasprintf("{\"ok\":true,%s,\"project\":%s}", fields, shop);
	cleanup_json json_t *result = parse(text);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	report_up(result, 21400, &plain, &out);
	assert_string_equal(out.buf, expected);
}

static void test_up(void **state unused_arg)
{
	const char *table = "  web  http://shop.localhost      host\n"
			    "  api  http://api.shop.localhost  container  crashed\n"
			    "  db   127.0.0.1:41231            host\n"
			    "  job                             host  waiting\n"
			    "  web  web listens on port 5173, not on $PORT (41233)\n";
	cleanup_free char *started = xasprintf("✔ shop: 2 ready in 21s\n%s", table);
	cleanup_free char *restarted = xasprintf("✔ shop: 1 restarted, 2 ready in 21s\n%s", table);

	assert_up("\"started\":[\"web\"],\"restarted\":[\"db\"]", started);
	assert_up("\"restarted\":[\"db\"]", restarted);
	assert_up("\"unchanged\":[\"web\"]", "✔ shop: 2 running, nothing to do (21s)\n");
}

static void test_failure(void **state unused_arg)
{
	cleanup_json json_t *project = parse(shop);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	report_failure(project, "port 3000 is \033 held", "stop pid 8123", &plain, &out);
	assert_string_equal(out.buf,
	                    "✘ api exited with code 1 · next try in 4s\n"
	                    "    node:1\n"
	                    "    Error: Cannot find \\x07\n"
	                    "  cause  port 3000 is \\x1b held\n"
	                    "  fix    stop pid 8123\n"
	                    "  state  web and db stay up; job is not ready\n"
	                    "! shop: 2 ready, 1 failed, 1 waiting          locald logs api\n");
	strbuf_reset(&out);
	report_failure(project, "api: exited with code 1", NULL, &plain, &out);
	assert_null(strstr(out.buf, "cause")); /* said already */
}

/* As the daemon says it: what waits, what is late, what is tried again. */
static const char late[] =
	"{\"name\":\"shop\",\"services\":["
	"{\"name\":\"db\",\"state\":\"running\",\"ready\":true},"
	"{\"name\":\"seed\",\"state\":\"exited\",\"ready\":false},"
	"{\"name\":\"api\",\"state\":\"running\",\"ready\":false,\"overdue_ms\":2000,"
	"\"detail\":\"nothing listens on port 41234\",\"last_lines\":[\"still at it\"]},"
	"{\"name\":\"job\",\"state\":\"crashed\",\"ready\":false,\"detail\":\"exited with code 1\","
	"\"restarts\":3,\"max_restarts\":4,\"crashing_ms\":61000,\"next_try_ms\":4000,"
	"\"last_lines\":[\"no pg\"]},"
	"{\"name\":\"web\",\"state\":\"waiting\",\"ready\":false,\"depends_on\":[\"db\",\"api\"]},"
	"{\"name\":\"mail\",\"state\":\"waiting\",\"ready\":false,\"depends_on\":[\"job\",\"api\"]}"
	","
	"{\"name\":\"www\",\"state\":\"waiting\",\"ready\":false,\"depends_on\":[\"api\"]}]}";

static void test_failure_of_what_is_late(void **state unused_arg)
{
	cleanup_json json_t *project = parse(late);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	assert_true(report_any_failed(project));
	report_failure(project, "not ready after 2 s: nothing listens on port 41234",
	               "let it listen", &plain, &out);
	assert_string_equal(out.buf,
	                    "✘ api is not ready after 2s\n"
	                    "    still at it\n"
	                    "  cause  nothing listens on port 41234\n"
	                    "✘ job exited with code 1 · try 3 of 5 · next try in 4s\n"
	                    "    no pg\n"
	                    "  fix    let it listen\n"
	                    "  state  db stays up; web and www were not started (need api); "
	                    "mail was not started (needs job and api)\n"
	                    "! shop: 1 ready, 2 failed, 3 waiting          locald logs api\n");
	strbuf_reset(&out);
	report_status(NULL, project, &plain, &out);
	assert_non_null(strstr(out.buf, "  api  not ready after 2s: nothing listens on port "
	                                "41234, last line: still at it   → locald logs api"));
	assert_non_null(strstr(out.buf, "  job  crash loop: 3 exits in 1m01s, last line: no pg"));
}

static void test_status_json(void **state unused_arg)
{
	cleanup_free char *text =
		xasprintf("{\"schema\":1,\"daemon\":null,\"projects\":[%s]}", shop);
	cleanup_json json_t *status = parse(text);
	cleanup_json json_t *flat = report_status_json(status);
	const json_t *services = json_object_get(flat, "services");
	const json_t *web = json_array_get(services, 0);
	const json_t *port = json_array_get(json_object_get(web, "ports"), 0);

	assert_int_equal(json_get_int(flat, "schema", 0), 1);
	assert_int_equal(json_array_size(services), 4);
	assert_string_equal(json_get_str(web, "project", ""), "shop");
	assert_int_equal(json_get_int(port, "port", 0), 41233);
	assert_int_equal(json_array_size(json_object_get(json_array_get(services, 3), "ports")), 0);
	assert_null(
		json_object_get(json_array_get(json_object_get(flat, "projects"), 0), "services"));
	/* The answer itself is as it was. */
	assert_non_null(json_object_get(json_array_get(json_object_get(status, "projects"), 0),
	                                "services"));
}

/* Whatever a daemon of another version sends, nothing is read that is not there. */
static void test_nonsense(void **state unused_arg)
{
	static const char *const texts[] = {
		"{}",
		"{\"services\":7}",
		"{\"name\":[],\"services\":[1,null,{},{\"name\":3,\"state\":{},\"health\":[]}]}",
		"{\"services\":[{\"state\":\"crashed\",\"last_lines\":[1],\"warnings\":[2]}]}",
		"{\"services\":[{\"state\":\"crashed\",\"last_exit\":7}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup_json json_t *project = parse(texts[i]);
		cleanup_json json_t *result = json_pack("{s:O}", "project", project);
		cleanup_json json_t *status = json_pack("{s:[O]}", "projects", project);
		cleanup_json json_t *flat = report_status_json(status);
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

		assert_non_null(flat);
		report_status(project, project, &plain, &out);
		report_up(result, 0, &plain, &out);
		report_failure(project, NULL, NULL, &plain, &out);
		assert_true(out.len > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_80),
		cmocka_unit_test(test_status_unlimited),
		cmocka_unit_test(test_status_40),
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_status_json),
		cmocka_unit_test(test_failure_of_what_is_late),
		cmocka_unit_test(test_nonsense),
	};

	setenv("HOME", "/home/me", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
