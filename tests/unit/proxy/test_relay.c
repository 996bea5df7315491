#include "proxy/relay.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GIVE_UP_MS 20000

struct fixture {
	struct loop *loop;
	struct relay *relay;
	struct container *container;
	int helpers, stop_at; /* how many were started; and the one that ends loop_run() */
};

static void on_helper(int sock, void *data)
{
	struct fixture *f = data;

	close_fd(&sock);
	if (++f->helpers == f->stop_at)
		loop_stop(f->loop, 0);
}

static void on_change(void *data)
{
}

/* A container whose process is ours; the helper says by its exit whether it was a good one. */
static void fixture_init(struct fixture *f, const char *helper)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct relay_config config = {.shim = helper,
	                                    .root = "/",
	                                    .on_helper = on_helper,
	                                    .on_change = on_change,
	                                    .data = f};
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	*f = (struct fixture){.loop = loop_new(&err)};
	f->relay = relay_new(f->loop, &config);
	assert_int_equal(relay_add(f->relay, "c", pidfd, NULL, 0, false, &err), 0);
	f->container = find(f->relay, "c");
}

static void fixture_release(struct fixture *f)
{
	relay_free(f->relay);
	loop_free(f->loop);
}

static void give_up(struct loop_source *source, void *data)
{
	loop_stop(data, 1);
}

static int run(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *timer = loop_add_timer(f->loop, GIVE_UP_MS, give_up, f->loop);
	int result = loop_run(f->loop, &err);

	loop_source_free(timer);
	return result;
}

/* Somebody calls; the other end is his. */
static int call_from_outside(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	call_inside(f->container, pair[0], 1);
	return pair[1];
}

static void bring_socket(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int sock = outside_socket();

	assert_int_equal(relay_add_sockets(f->relay, "c", &sock, 1, &err), 0);
}

static void test_who_waits_when_a_helper_ends_gets_another(void **state)
{
	struct fixture f;
	int callers[2];

	fixture_init(&f, "/bin/true");
	callers[0] = call_from_outside(&f);
	bring_socket(&f);
	assert_int_equal(f.container->waiting.len, 0);
	/* The helper has ended, but that is not known yet. */
	callers[1] = call_from_outside(&f);
	assert_int_equal(f.helpers, 1);
	assert_int_equal(f.container->waiting.len, 1);
	f.stop_at = 2;
	assert_int_equal(run(&f), 0);
	bring_socket(&f);
	assert_int_equal(f.container->waiting.len, 0);
	fixture_release(&f);
	close(callers[0]);
	close(callers[1]);
}

static void on_hang_up(struct loop_source *source, int fd, uint32_t events, void *data)
{
	loop_stop(data, 0);
}

static void test_who_waits_for_a_failed_helper_is_refused(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *source = NULL;
	struct fixture f;
	int caller;

	fixture_init(&f, "/bin/false");
	caller = call_from_outside(&f);
	assert_int_equal(loop_add_fd(f.loop, caller, LOOP_READ, on_hang_up, f.loop, &source, &err),
	                 0);
	assert_int_equal(run(&f), 0);
	assert_int_equal(f.container->waiting.len, 0);
	assert_int_equal(f.helpers, 1);
	loop_source_free(source);
	fixture_release(&f);
	close(caller);
}

/* A process that has ended, and is not waited for before the test is over. */
static int pidfd_of_ended(pid_t *ret)
{
	siginfo_t info;

	*ret = fork();
	if (*ret == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)*ret, &info, WEXITED | WNOWAIT), 0);
	return (int)syscall(SYS_pidfd_open, *ret, 0);
}

static void test_a_port_is_taken_over_from_who_has_ended(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct listen_loopback any = {.ipv4 = -1, .ipv6 = -1};
	static const int none[] = {0};
	struct relay_publication port = {.inside_port = 80};
	struct fixture f;
	pid_t pid;

	assert_int_equal(listen_loopback(none, 1, &any, &err), 0);
	port.host_port = any.port;
	listen_loopback_close(&any);
	fixture_init(&f, "/bin/false");
	/* Its end has not been heard of: the loop does not run. */
	assert_int_equal(relay_add(f.relay, "a", pidfd_of_ended(&pid), &port, 1, true, &err), 0);
	assert_int_equal(relay_add(f.relay, "b", (int)syscall(SYS_pidfd_open, getpid(), 0), &port,
	                           1, true, &err),
	                 0);
	assert_null(find(f.relay, "a"));
	/* From who lives it is not taken. */
	assert_int_equal(relay_add(f.relay, "d", (int)syscall(SYS_pidfd_open, getpid(), 0), &port,
	                           1, true, &err),
	                 -1);
	assert_non_null(find(f.relay, "b"));
	assert_null(find(f.relay, "d"));
	fixture_release(&f);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_waits_when_a_helper_ends_gets_another),
		cmocka_unit_test(test_who_waits_for_a_failed_helper_is_refused),
		cmocka_unit_test(test_a_port_is_taken_over_from_who_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
