/* One golden sentence for each state a service can be in. */
#include "daemon/why.h"

#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* web needs api, api needs db; each as the test says. */
struct shop {
	struct service_plan plans[3];
	struct service_snapshot services[3];
	struct log_exit exits[3];
	bool has_exit[3];
};

enum { WEB, API, DB };

static int index_of(const struct shop *shop, const char *name)
{
	for (int i = 0; i < 3; i++)
		if (str_eq(shop->plans[i].name, name))
			return i;
	return -1;
}

static bool find(const char *service, struct service_snapshot *ret, void *data)
{
	struct shop *shop = data;
	int i = index_of(shop, service);

	if (i < 0)
		return false;
	*ret = shop->services[i];
	return true;
}

static bool find_exit(const char *service, uint32_t run, struct log_exit *ret, void *data)
{
	struct shop *shop = data;
	int i = index_of(shop, service);

	*ret = shop->exits[i];
	return shop->has_exit[i];
}

static int set_up(void **state)
{
	static const char *const names[] = {"web", "api", "db"};
	struct shop *shop = xcalloc(1, sizeof(*shop));

	for (int i = 0; i < 3; i++) {
		struct service_plan *plan = &shop->plans[i];

		service_plan_init(plan, names[i]);
		plan->has_port = true;
		plan->port = 41230 + i;
		if (i < DB)
			array_add(&plan->deps)->name = xstrdup(names[i + 1]);
		shop->services[i] = (struct service_snapshot){
			.plan = plan,
			.state = SERVICE_STOPPED,
			.port = plan->port,
			.next_try_ms = -1,
		};
	}
	*state = shop;
	return 0;
}

static int tear_down(void **state)
{
	struct shop *shop = *state;

	for (int i = 0; i < 3; i++)
		service_plan_release(&shop->plans[i]);
	free(shop);
	return 0;
}

static void assert_why(struct shop *shop, const char *service, const char *text, const char *fix)
{
	const struct why_source source = {find, find_exit, shop};
	cleanup(why_release) struct why why = WHY_INIT;

	assert_true(why_explain(&source, service, &why));
	assert_string_equal(why.text.buf, text);
	assert_string_equal(why.fix.buf, fix);
}

static void run_since(struct service_snapshot *service, int64_t seconds)
{
	service->state = SERVICE_RUNNING;
	service->run = 3;
	service->pid = 77;
	service->age_ms = seconds * 1000;
	service->ready_ms = -1;
}

static void it_waits_down_the_chain(void **state)
{
	struct shop *shop = *state;

	shop->services[WEB].state = shop->services[API].state = SERVICE_WAITING;
	run_since(&shop->services[DB], 12);
	shop->services[DB].detail = "nothing listens on port 41232";
	assert_why(shop, "web",
	           "web waits for api, which waits for db: starting for 12 s, nothing listens on "
	           "port 41232; it is ready when port 41232 accepts connections",
	           "locald logs db");
}

static void it_waits_for_the_condition_that_does_not_hold(void **state)
{
	struct shop *shop = *state;

	shop->services[WEB].state = SERVICE_WAITING;
	shop->plans[WEB].deps.items[0].condition = DEP_COMPLETED;
	run_since(&shop->services[API], 3);
	shop->plans[API].oneshot = true;
	assert_why(shop, "web", "web waits for api: at work for 3.0 s", "");
	shop->plans[WEB].deps.items[0].condition = DEP_STARTED;
	shop->services[WEB].detail = "waits for a free place";
	assert_why(shop, "web", "web is waiting, waits for a free place", "");
}

static void it_waits_in_vain(void **state)
{
	struct shop *shop = *state;
	struct service_snapshot *api = &shop->services[API];

	shop->services[WEB].state = SERVICE_WAITING;
	api->state = SERVICE_CRASHED;
	api->detail = "exited with code 3 after 0.1 s";
	api->last_exit =
		(struct service_exit){.is_known = true, .code = 3, .run_ms = 100, .ago_ms = 5000};
	api->restarts = 3;
	api->next_try_ms = 4000;
	assert_why(shop, "web",
	           "web waits for api: crashed, exited with code 3 after 0.1 s, 5.0 s ago, 3 times "
	           "in a row; the next try is in 4.0 s",
	           "locald logs api");
}

static void it_is_ready(void **state)
{
	struct shop *shop = *state;
	struct service_snapshot *web = &shop->services[WEB];

	run_since(web, 900);
	web->ready = true;
	web->ready_ms = 899000;
	assert_why(shop, "web",
	           "web is ready, port 41230 accepts connections, for 14 m; run 3, process 77", "");
	web->restarts = 1;
	web->warning = "web listens on port 3000, not on $PORT";
	shop->plans[WEB].health.kind = PLAN_HEALTH_HTTP;
	shop->plans[WEB].health.path = xstrdup("/healthz");
	assert_why(shop, "web",
	           "web is ready, GET /healthz on port 41230 is answered, for 14 m; run 3, process "
	           "77, started again after 1 crash in a row; web listens on port 3000, not on "
	           "$PORT",
	           "");
}

static void it_is_unhealthy(void **state)
{
	struct shop *shop = *state;

	run_since(&shop->services[DB], 60);
	shop->services[DB].state = SERVICE_UNHEALTHY;
	shop->services[DB].detail = "no answer within 1000 ms";
	assert_why(shop, "db",
	           "db is unhealthy, its probe failed 3 times in a row: no answer within 1000 ms",
	           "locald logs db");
}

static void it_is_between_states(void **state)
{
	struct shop *shop = *state;

	shop->services[DB].state = SERVICE_PREPARING;
	assert_why(shop, "db", "db is building, its image is being made ready", "");
	shop->services[DB].state = SERVICE_STARTING;
	assert_why(shop, "db", "db is starting", "");
	shop->services[DB].state = SERVICE_STOPPING;
	assert_why(shop, "db", "db is stopping, it is killed when it has not ended after 10 s", "");
}

static void it_was_stopped(void **state)
{
	struct shop *shop = *state;

	assert_why(shop, "db", "db is stopped, nobody has started it yet", "locald up db");
	shop->services[DB].run = 2;
	assert_why(shop, "db", "db is stopped, and how run 2 ended is not known", "locald up db");
	shop->has_exit[DB] = true;
	shop->exits[DB] = (struct log_exit){.code = -1,
	                                    .signal = SIGKILL,
	                                    .killed = true,
	                                    .requested = true,
	                                    .run_ms = 8000000,
	                                    .ago_ms = 600000};
	assert_why(shop, "db",
	           "db is stopped, as it was asked to: run 2 ended by SIGKILL after 2 h 13 m and "
	           "had to be killed, 10 m ago",
	           "locald up db");
	shop->exits[DB] = (struct log_exit){.run_ms = 1500, .ago_ms = 1000};
	assert_why(shop, "db",
	           "db is stopped, it had ended before anybody asked: run 2 exited with code 0 "
	           "after 1.5 s, 1.0 s ago",
	           "locald up db");
}

static void it_has_ended(void **state)
{
	struct shop *shop = *state;
	struct service_snapshot *db = &shop->services[DB];

	db->state = SERVICE_EXITED;
	db->last_exit = (struct service_exit){.is_known = true, .run_ms = 1200, .ago_ms = 61000};
	assert_why(shop, "db", "db ended, exited with code 0 after 1.2 s, 61 s ago",
	           "locald up db");
	shop->plans[DB].oneshot = true;
	assert_why(shop, "db",
	           "db ended, exited with code 0 after 1.2 s, 61 s ago; it has done its work", "");
}

static void it_crashed_for_good(void **state)
{
	struct shop *shop = *state;
	struct service_snapshot *db = &shop->services[DB];

	db->state = SERVICE_CRASHED;
	db->restarts = 1;
	db->detail = "exited with code 127 after 0.0 s";
	db->last_exit = (struct service_exit){.is_known = true, .code = 127};
	assert_why(
		shop, "db",
		"db crashed, exited with code 127 after 0.0 s, 0.0 s ago; it is not started again",
		"correct `command` of db in locald.toml: it was not found");
	db->last_exit.code = 1;
	db->detail = "exited with code 1 after 0.0 s";
	shop->plans[DB].restart = PLAN_RESTART_NO;
	assert_why(shop, "db",
	           "db crashed, exited with code 1 after 0.0 s, 0.0 s ago; it is not started again "
	           "(restart = "
	           "\"no\")",
	           "locald logs db");
}

static void its_port_is_taken(void **state)
{
	struct shop *shop = *state;

	shop->services[DB].state = SERVICE_CRASHED;
	shop->services[DB].detail = "port 41232 is held by node, pid 8123";
	assert_why(shop, "db",
	           "db crashed, port 41232 is held by node, pid 8123; it is not started again",
	           "locald logs db");
}

static void it_is_blocked(void **state)
{
	struct shop *shop = *state;

	shop->services[DB].state = SERVICE_BLOCKED;
	shop->services[DB].detail = "locald.toml changed in commit 3f2c1a0";
	assert_why(shop, "db", "db is blocked, locald.toml changed in commit 3f2c1a0", "locald up");
}

static void an_unknown_service_is_said_to_be_so(void **state)
{
	const struct why_source source = {find, find_exit, *state};
	cleanup(why_release) struct why why = WHY_INIT;

	assert_false(why_explain(&source, "nobody", &why));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_waits_down_the_chain), TEST(it_waits_for_the_condition_that_does_not_hold),
		TEST(it_waits_in_vain),        TEST(it_is_ready),
		TEST(it_is_unhealthy),         TEST(it_is_between_states),
		TEST(it_was_stopped),          TEST(it_has_ended),
		TEST(it_crashed_for_good),     TEST(its_port_is_taken),
		TEST(it_is_blocked),           TEST(an_unknown_service_is_said_to_be_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
