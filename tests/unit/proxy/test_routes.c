#include "base/error.h"
#include "base/json.h"
#include "proxy/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int load(struct routes *routes, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *message = json_parse(text, strlen(text), &err);
	int rc;

	assert_non_null(message);
	rc = routes_load(routes, message, &err);
	assert_true(rc == 0 || err.text);
	return rc;
}

static void hosts_have_one_form(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: refused */
	} cases[] = {
		{"shop.localhost", "shop.localhost"},
		{"Shop.LOCALHOST", "shop.localhost"},
		{"shop.localhost.", "shop.localhost"},
		{"shop.localhost:80", "shop.localhost"},
		{"shop.localhost.:65535", "shop.localhost"},
		{"a_b-c.localhost", "a_b-c.localhost"},
		{"127.0.0.1:8080", "127.0.0.1"},
		{"[::1]", "[::1]"},
		{"[::1]:8080", "[::1]"},
		{"[FE80::1]", "[fe80::1]"},
		{"", NULL},
		{".", NULL},
		{":80", NULL},
		{"shop..localhost", NULL},
		{".shop.localhost", NULL},
		{"shop.localhost..", NULL},
		{"shop.localhost:", NULL},
		{"shop.localhost:0", NULL},
		{"shop.localhost:65536", NULL},
		{"shop.localhost:80x", NULL},
		{"shop.localhost:80:80", NULL},
		{"shop.localhost:-1", NULL},
		{"[::1", NULL},
		{"[::1]x", NULL},
		{"::1", NULL},
		{"a b", NULL},
		{"a/b", NULL},
		{"a@b", NULL},
		{"a%2e", NULL},
		{"caf\xc3\xa9.localhost", NULL},
	};
	char host[HOST_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool is_host = host_normalise(cases[i].value, host);

		if (is_host != (cases[i].want != NULL))
			fail_msg("%s", cases[i].value);
		if (is_host)
			assert_string_equal(host, cases[i].want);
	}
}

static void long_hosts_are_refused(void **state)
{
	char value[400], host[HOST_SIZE];

	memset(value, 'a', sizeof(value));
	value[HOST_SIZE - 1] = '\0';
	assert_true(host_normalise(value, host));
	value[HOST_SIZE - 1] = 'a';
	value[HOST_SIZE] = '\0';
	assert_false(host_normalise(value, host));
}

static void only_names_below_localhost_are_local(void **state)
{
	assert_true(host_is_localhost("localhost"));
	assert_true(host_is_localhost("a.b.localhost"));
	assert_false(host_is_localhost("evillocalhost"));
	assert_false(host_is_localhost("localhost.evil.example"));
	assert_false(host_is_localhost("127.0.0.1"));
}

static void a_table_is_loaded_and_searched(void **state)
{
	cleanup(routes_release) struct routes routes = {0};
	const struct route *route;

	assert_null(routes_find(&routes, "web.shop.localhost"));
	assert_int_equal(load(&routes, "{\"version\":7,\"routes\":["
	                               "{\"host\":\"Web.shop.localhost\",\"project\":\"shop\","
	                               "\"service\":\"web\",\"port\":4000,\"state\":\"running\"},"
	                               "{\"host\":\"api.shop.localhost\",\"project\":\"shop\","
	                               "\"service\":\"api\",\"port\":0,\"state\":\"crashed\","
	                               "\"detail\":\"exit code 1\",\"log\":[\"a\",\"b\"]}]}"),
	                 0);
	assert_int_equal(routes.version, 7);
	route = routes_find(&routes, "web.shop.localhost");
	assert_int_equal(route->port, 4000);
	assert_string_equal(route->detail, "");
	route = routes_find(&routes, "api.shop.localhost");
	assert_int_equal(route->log.len, 2);
	assert_null(routes_find(&routes, "shop.localhost"));
	assert_true(routes_has_port(&routes, 4000));
	assert_false(routes_has_port(&routes, 4001));
}

static void a_bad_table_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"routes\":{}}",
		"{\"routes\":[1]}",
		"{\"routes\":[{\"host\":\"x\"}]}",
		"{\"routes\":[{\"host\":\"a b\",\"project\":\"p\",\"service\":\"s\","
		"\"state\":\"running\"}]}",
		"{\"routes\":[{\"host\":\"x\",\"project\":\"p\",\"service\":\"s\","
		"\"state\":\"running\",\"port\":-1}]}",
		"{\"routes\":[{\"host\":\"x\",\"project\":\"p\",\"service\":\"s\","
		"\"state\":\"running\",\"log\":[1]}]}",
		"{\"routes\":[{\"host\":\"x\",\"project\":\"p\",\"service\":\"s\","
		"\"state\":\"running\"},{\"host\":\"X.\",\"project\":\"p\",\"service\":\"t\","
		"\"state\":\"running\"}]}",
	};
	cleanup(routes_release) struct routes routes = {0};

	assert_int_equal(load(&routes, "{\"routes\":[{\"host\":\"x\",\"project\":\"p\","
	                               "\"service\":\"s\",\"state\":\"running\"}]}"),
	                 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(load(&routes, bad[i]), -1);
	assert_int_equal(routes.items.len, 1);
	assert_int_equal(load(&routes, "{\"routes\":[]}"), 0);
	assert_null(routes_find(&routes, "x"));
}

static void states_say_what_to_do(void **state)
{
	static const struct {
		const char *state;
		int port;
		enum route_state want;
	} cases[] = {
		{"running", 1, ROUTE_UP},      {"unhealthy", 1, ROUTE_UP},
		{"stopping", 1, ROUTE_UP},     {"running", 0, ROUTE_DOWN},
		{"starting", 1, ROUTE_COMING}, {"waiting", 0, ROUTE_COMING},
		{"building", 0, ROUTE_COMING}, {"stopped", 1, ROUTE_DOWN},
		{"exited", 1, ROUTE_DOWN},     {"crashed", 1, ROUTE_DOWN},
		{"blocked", 1, ROUTE_DOWN},    {"something new", 1, ROUTE_DOWN},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct route route = {.state = (char *)cases[i].state, .port = cases[i].port};

		assert_int_equal(route_state(&route), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_have_one_form),
		cmocka_unit_test(long_hosts_are_refused),
		cmocka_unit_test(only_names_below_localhost_are_local),
		cmocka_unit_test(a_table_is_loaded_and_searched),
		cmocka_unit_test(a_bad_table_changes_nothing),
		cmocka_unit_test(states_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
