/*
 * The supervisor with real keepers and probes.  The path of locald-keeper is the
 * only argument; with "listen PORT" this program is a service itself.
 */
#include "service/world_loop.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "loop/loop.h"
#include "service/log_reader.h"
#include "service/port_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static const char *keeper_program;

struct fixture {
	char *dir, *self;
	struct loop *loop;
	struct world_loop world_loop;
	struct supervisor_world world;
	struct supervisor *sup;
	ARRAY(struct service_plan) plans;
	struct strv results;
	bool is_done;
	const char *until_service; /* the loop stops when it is in that state */
	enum service_state until_state;
	bool until_ready;
};

static void on_state(const char *project, const struct service_snapshot *service, void *data)
{
	struct fixture *f = data;

	if (f->until_service && str_eq(service->plan->name, f->until_service) &&
	    service->state == f->until_state && service->ready == f->until_ready)
		loop_stop(f->loop, 0);
}

static void on_prepare(const char *project, const struct service_plan *plan, uint64_t token,
                       void *data)
{
}

static void on_cancel_prepare(uint64_t token, void *data)
{
}

static void on_ports(const char *project, void *data)
{
}

static const struct supervisor_events events = {.on_state = on_state,
                                                .prepare = on_prepare,
                                                .cancel_prepare = on_cancel_prepare,
                                                .on_ports = on_ports};

static char *keeper_path(const char *project, const char *service, void *data)
{
	return xasprintf("%s/keepers/%s/%s", ((struct fixture *)data)->dir, project, service);
}

static char *log_dir(const char *project, const char *service, void *data)
{
	return xasprintf("%s/logs/%s/%s", ((struct fixture *)data)->dir, project, service);
}

static void new_daemon(struct fixture *f)
{
	struct supervisor_paths paths = {.keeper = keeper_path, .log_dir = log_dir, .data = f};
	cleanup(error_release) struct error err = ERROR_INIT;

	f->loop = loop_new(&err);
	assert_non_null(f->loop);
	f->world_loop = (struct world_loop){.loop = f->loop, .keeper_path = keeper_program};
	f->world = world_loop_make(&f->world_loop);
	f->sup = supervisor_new(&f->world, &paths, &events, f);
}

static void end_daemon(struct fixture *f)
{
	supervisor_free(f->sup);
	world_loop_release(&f->world_loop);
	loop_free(f->loop);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-world-XXXXXX", self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));

	f->dir = xstrdup(mkdtemp(template));
	f->self = xstrndup(self, (size_t)n);
	new_daemon(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	end_daemon(f);
	fs_remove_tree(AT_FDCWD, f->dir, &err);
	array_foreach(plan, &f->plans)
		service_plan_release(plan);
	array_release(&f->plans);
	strv_release(&f->results);
	free(f->dir);
	free(f->self);
	free(f);
	return 0;
}

/* Another one each time, and none that the kernel gives to whoever asks for any. */
static int free_port(void)
{
	static int next;
	int port;

	do
		port = 10000 + (getpid() * 97 + next++) % 10000;
	while (!port_probe_loopback(port, NULL));
	return port;
}

/* A service of a shell script, without a port. */
static struct service_plan *add_script(struct fixture *f, const char *name, const char *script)
{
	struct service_plan *plan = array_add(&f->plans);

	service_plan_init(plan, name);
	strv_add(&plan->argv, "sh");
	strv_add(&plan->argv, "-c");
	strv_add(&plan->argv, script);
	strv_add(&plan->env, "PATH=/usr/bin:/bin");
	plan->cwd = xstrdup(f->dir);
	plan->fingerprint = xstrdup(script);
	plan->stop_timeout_ms = 2000;
	return plan;
}

/* A service that listens on `listens` below a shell, and is told `port`. */
static struct service_plan *add_listener(struct fixture *f, const char *name, int port, int listens)
{
	cleanup_free char *script = xasprintf("%s listen %d; true", f->self, listens);
	struct service_plan *plan = add_script(f, name, script);

	plan->has_port = true;
	plan->port = port;
	return plan;
}

static void on_done(uint64_t operation, const struct service_result *results, size_t count,
                    void *data)
{
	struct fixture *f = data;

	for (size_t i = 0; i < count; i++)
		strv_addf(&f->results, "%s%s%s", results[i].service,
		          results[i].err.code ? ": " : " ok",
		          results[i].err.code ? results[i].err.text : "");
	f->is_done = true;
	loop_stop(f->loop, 0);
}

static void on_alarm(struct loop_source *source, void *data)
{
	loop_stop(data, 1);
}

static void run_loop(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *alarm = loop_add_timer(f->loop, 20000, on_alarm, f->loop);

	assert_int_equal(loop_run(f->loop, &err), 0);
	loop_source_free(alarm);
}

static void wait_state(struct fixture *f, const char *name, enum service_state want, bool ready)
{
	struct service_snapshot snapshot;

	f->until_service = name;
	f->until_state = want;
	f->until_ready = ready;
	if (!supervisor_find(f->sup, "shop", name, &snapshot) || snapshot.state != want ||
	    snapshot.ready != ready)
		run_loop(f);
	f->until_service = NULL;
}

static void apply(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct apply_options options = {0};

	strv_release(&f->results);
	f->is_done = false;
	if (supervisor_apply(f->sup, "shop", f->plans.items, f->plans.len, &options, on_done, f,
	                     &err) == 0)
		fail_msg("%s", err.text);
	while (!f->is_done)
		run_loop(f);
}

static void stop_all(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	f->is_done = false;
	assert_true(supervisor_stop(f->sup, "shop", NULL, on_done, f, &err) > 0);
	while (!f->is_done)
		run_loop(f);
}

static struct service_snapshot find(struct fixture *f, const char *name)
{
	struct service_snapshot snapshot = {0};

	assert_true(supervisor_find(f->sup, "shop", name, &snapshot));
	return snapshot;
}

static void assert_result(const struct fixture *f, const char *line)
{
	if (!strv_has(&f->results, line))
		fail_msg("no result \"%s\", but \"%s\"", line,
		         f->results.len ? f->results.items[0] : "");
}

/* Gives the plans to a new daemon, as its database would. */
static void adopt(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	ARRAY(struct service_memory) memory = {0};

	array_foreach(plan, &f->plans) {
		struct service_snapshot was = find(f, plan->name);

		*array_add(&memory) =
			(struct service_memory){plan->name, was.run, plan->fingerprint, was.wanted};
	}
	end_daemon(f);
	new_daemon(f);
	assert_int_equal(supervisor_adopt(f->sup, "shop", f->plans.items, f->plans.len,
	                                  memory.items, memory.len, &err),
	                 0);
	array_release(&memory);
}

static void test_up_ready_stop(void **state)
{
	struct fixture *f = *state;
	int port = free_port();
	pid_t pid;

	add_listener(f, "web", port, port);
	apply(f);
	assert_result(f, "web ok");
	assert_true(find(f, "web").ready);
	assert_false(port_probe_loopback(port, NULL));
	pid = find(f, "web").pid;
	assert_int_equal(kill(pid, 0), 0);
	stop_all(f);
	assert_int_equal(kill(pid, 0), -1);
	assert_true(port_probe_loopback(port, NULL));
}

static void test_explicit_checks(void **state)
{
	struct fixture *f = *state;
	int ports[3];
	struct service_plan *plan;

	for (int i = 0; i < 3; i++)
		ports[i] = free_port();
	plan = add_listener(f, "http", ports[0], ports[0]);
	plan->health.kind = PLAN_HEALTH_HTTP;
	plan->health.path = xstrdup("/healthz");
	plan = add_listener(f, "tcp", ports[1], ports[1]);
	plan->health.kind = PLAN_HEALTH_TCP;
	plan = add_listener(f, "wrong-path", ports[2], ports[2]);
	plan->health.kind = PLAN_HEALTH_HTTP;
	plan->health.path = xstrdup("/nosuch");
	plan->health.start_period_ms = 5000;
	plan = add_script(f, "command", "sleep 0.2; touch up; exec sleep 100");
	plan->health.kind = PLAN_HEALTH_COMMAND;
	strv_add(&plan->health.argv, "test");
	strv_add(&plan->health.argv, "-e");
	strv_add(&plan->health.argv, "up");
	plan = add_script(f, "hangs", "exec sleep 100");
	plan->health.kind = PLAN_HEALTH_COMMAND;
	plan->health.start_period_ms = plan->health.timeout_ms = 500;
	strv_add(&plan->health.argv, "sleep");
	strv_add(&plan->health.argv, "100");
	apply(f);
	assert_result(f, "http ok");
	assert_result(f, "tcp ok");
	assert_result(f, "command ok");
	assert_result(f, "wrong-path: not ready after 5 s: GET /nosuch answered 404");
	assert_false(find(f, "hangs").ready);
	stop_all(f);
}

static void test_the_port_of_a_stranger(void **state)
{
	struct fixture *f = *state;
	int port = free_port();
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons((uint16_t)port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_free char *want = NULL;

	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	add_listener(f, "web", port, port);
	apply(f);
	want = xasprintf("web: port %d is held by pid %d", port, (int)getpid());
	assert_true(str_starts(f->results.items[0], want));
	assert_int_equal(find(f, "web").run, 0);
}

static void test_a_stranger_who_comes_later_is_not_readiness(void **state)
{
	struct fixture *f = *state;
	int port = free_port();
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons((uint16_t)port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct service_plan *plan = add_script(f, "web", "exec sleep 100");
	cleanup(error_release) struct error err = ERROR_INIT;
	struct apply_options options = {0};

	plan->has_port = true;
	plan->port = port;
	plan->health.start_period_ms = 1000;
	assert_true(supervisor_apply(f->sup, "shop", f->plans.items, 1, &options, on_done, f,
	                             &err) > 0);
	wait_state(f, "web", SERVICE_RUNNING, false);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	while (!f->is_done)
		run_loop(f);
	assert_non_null(strstr(f->results.items[0], "is held by pid"));
	stop_all(f);
}

static void test_another_port_is_followed(void **state)
{
	struct fixture *f = *state;
	int told = free_port(), real = free_port();

	add_listener(f, "web", told, real);
	apply(f);
	assert_result(f, "web ok");
	assert_int_equal(find(f, "web").port, real);
	assert_non_null(find(f, "web").warning);
	stop_all(f);
}

static void test_a_crash_has_its_last_lines(void **state)
{
	struct fixture *f = *state;
	struct service_snapshot web;

	add_script(f, "web", "echo one; echo two >&2; exit 3")->restart = PLAN_RESTART_NO;
	apply(f);
	web = find(f, "web");
	assert_int_equal(web.last_exit.code, 3);
	assert_int_equal(web.last_lines->len, 2);
	assert_true(str_starts(web.detail, "exited with code 3 after "));
}

static void test_what_does_not_exist(void **state)
{
	struct fixture *f = *state;
	struct service_plan *plan = add_script(f, "web", "");

	strv_release(&plan->argv);
	strv_add(&plan->argv, "nosuchprogram");
	apply(f);
	assert_true(str_starts(f->results.items[0], "web: exited with code 127"));
	assert_int_equal(find(f, "web").run, 1);
}

static void test_no_keeper_program(void **state)
{
	struct fixture *f = *state;

	f->world_loop.keeper_path = "/nonexistent/locald-keeper";
	add_script(f, "web", "true");
	apply(f);
	assert_non_null(strstr(f->results.items[0], "No such file or directory"));
}

static void test_a_new_daemon_finds_what_runs(void **state)
{
	struct fixture *f = *state;
	int port = free_port();
	pid_t web, worker;

	add_listener(f, "web", port, port);
	add_script(f, "worker", "exec sleep 100");
	apply(f);
	web = find(f, "web").pid;
	worker = find(f, "worker").pid;
	for (int i = 0; i < 5; i++) {
		adopt(f);
		wait_state(f, "web", SERVICE_RUNNING, true);
		wait_state(f, "worker", SERVICE_RUNNING, true);
		assert_int_equal(find(f, "web").pid, web);
		assert_int_equal(find(f, "worker").pid, worker);
		assert_int_equal(find(f, "web").run, 1);
	}
	apply(f);
	assert_int_equal(find(f, "web").pid, web);
	stop_all(f);
	assert_int_equal(kill(web, 0), -1);
}

static void test_a_new_daemon_learns_of_exits_it_missed(void **state)
{
	struct fixture *f = *state;
	struct service_plan *plan =
		add_script(f, "web", "while [ ! -e go ]; do sleep 0.02; done; exit 9");
	cleanup_free char *go = path_join(f->dir, "go");
	cleanup_close int fd = -1;
	pid_t pid;

	plan->restart = PLAN_RESTART_NO;
	apply(f);
	pid = find(f, "web").pid;
	fd = open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	/* Nobody runs the daemon's loop meanwhile: it is as good as dead. */
	while (kill(pid, 0) == 0)
		usleep(1000);
	adopt(f);
	wait_state(f, "web", SERVICE_CRASHED, false);
	assert_int_equal(find(f, "web").last_exit.code, 9);
}

static void test_a_daemon_that_died_while_starting(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct apply_options options = {0};
	pid_t pid;

	/* The spawn has happened, and nothing after it was seen. */
	add_script(f, "web", "exec sleep 100");
	assert_true(supervisor_apply(f->sup, "shop", f->plans.items, 1, &options, on_done, f,
	                             &err) > 0);
	wait_state(f, "web", SERVICE_STARTING, false);
	adopt(f);
	wait_state(f, "web", SERVICE_RUNNING, true);
	pid = find(f, "web").pid;
	assert_int_equal(find(f, "web").run, 1);
	assert_int_equal(kill(pid, 0), 0);
	stop_all(f);
	assert_int_equal(kill(pid, 0), -1);
}

static pid_t parent_of(pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;

	assert_int_equal(proc_read_stat(pid, &stat, &err), 0);
	return stat.ppid;
}

static void test_a_keeper_lost_with_its_daemon_leaves_no_second_process(void **state)
{
	struct fixture *f = *state;
	int port = free_port();
	pid_t old, keeper;

	add_listener(f, "web", port, port);
	apply(f);
	old = find(f, "web").pid;
	keeper = parent_of(old);
	assert_int_equal(kill(keeper, SIGKILL), 0);
	while (parent_of(old) == keeper)
		usleep(1000);
	/* Nobody has run the daemon's loop meanwhile. */
	adopt(f);
	wait_state(f, "web", SERVICE_CRASHED, false);
	assert_false(find(f, "web").last_exit.is_known);
	wait_state(f, "web", SERVICE_RUNNING, true);
	assert_int_equal(find(f, "web").run, 2);
	assert_int_not_equal(find(f, "web").pid, old);
	stop_all(f);
}

static void test_restart_after_restart_has_one_process(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	int port = free_port();

	add_listener(f, "web", port, port);
	apply(f);
	for (uint32_t i = 0; i < 10; i++) {
		f->is_done = false;
		assert_true(supervisor_restart(f->sup, "shop", NULL, on_done, f, &err) > 0);
		while (!f->is_done)
			run_loop(f);
		assert_int_equal(find(f, "web").run, i + 2);
		assert_true(find(f, "web").ready);
	}
	stop_all(f);
}

static void test_many_at_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50; i++) {
		cleanup_free char *name = xasprintf("worker-%d", i);

		add_script(f, name, "exec sleep 100");
	}
	apply(f);
	for (int i = 0; i < 50; i++)
		assert_true(find(f, f->plans.items[i].name).ready);
	stop_all(f);
}

/* A minimal server: any path but /nosuch is fine. */
static int serve(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
	                           .sin_port = htons((uint16_t)port),
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return 1;
	for (;;) {
		char buf[4096] = "";
		int client = accept(fd, NULL, NULL);
		const char *reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

		if (read(client, buf, sizeof(buf) - 1) > 0) {
			if (strstr(buf, "/nosuch"))
				reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
			(void)!write(client, reply, strlen(reply));
		}
		close(client);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_up_ready_stop),
		TEST(test_explicit_checks),
		TEST(test_the_port_of_a_stranger),
		TEST(test_a_stranger_who_comes_later_is_not_readiness),
		TEST(test_another_port_is_followed),
		TEST(test_a_crash_has_its_last_lines),
		TEST(test_what_does_not_exist),
		TEST(test_no_keeper_program),
		TEST(test_a_new_daemon_finds_what_runs),
		TEST(test_a_new_daemon_learns_of_exits_it_missed),
		TEST(test_a_daemon_that_died_while_starting),
		TEST(test_a_keeper_lost_with_its_daemon_leaves_no_second_process),
		TEST(test_restart_after_restart_has_one_process),
		TEST(test_many_at_once),
	};

	if (argc == 3)
		return serve((int)strtoul(argv[2], NULL, 10));
	if (argc != 2)
		return 2;
	keeper_program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
