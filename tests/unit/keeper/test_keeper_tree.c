#include "keeper_run.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static void assert_dead(pid_t pid)
{
	if (kill(pid, 0) == 0)
		fail_msg("%d is alive", (int)pid);
}

static void test_stop_reaches_every_kind_of_descendant(void **state)
{
	static const char *const shapes[] = {
		"setsid sh -c 'echo $$ >pid; exec sleep 100' & wait",
		"(setsid sh -c 'echo $$ >pid; exec sleep 100' &) ; sleep 100",
		"(sh -c '(sh -c \"echo \\$\\$ >pid; exec sleep 100\" &)' &) ; sleep 100",
		"nohup sh -c 'echo $$ >pid; exec sleep 100' >/dev/null 2>&1 & wait",
		("setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >pid; while :; do sleep 1; done' & "
	         "wait"),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct keeper_packet last;
		cleanup_free char *path = path_join(f->dir, "pid");
		pid_t pid;

		(void)unlink(path);
		f->spec.run++;
		start(f, shapes[i]);
		pid = read_pid(f, "pid");
		stop(f, &last);
		assert_int_equal(last.status.state, KEEPER_EXITED);
		assert_dead(pid);
		assert_dead(last.status.pid);
	}
}

static void test_a_tree_that_ignores_sigterm_is_killed_in_time(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	int64_t began, took;

	start(f, "trap '' TERM; for i in 1 2 3 4 5 6; do setsid sh -c 'sleep 100; sleep 100' & "
	         "sh -c 'sleep 100; sleep 100' & done; echo $$ >pid; "
	         "while :; do sleep 100; done");
	(void)read_pid(f, "pid");
	began = clock_mono_ms();
	stop(f, &last);
	took = clock_mono_ms() - began;
	assert_true(took >= 300);
	assert_int_equal(last.status.exit_signal, SIGKILL);
	assert_true(last.status.killed);
	collect(f, &c);
	assert_int_equal(event_int(&c, "killed"), 1);
	assert_int_equal(event_int(&c, "requested"), 1);
}

static void test_leader_that_ends_takes_its_children_along(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	start(f, "setsid sh -c 'trap \"\" TERM; echo $$ >pid; while :; do sleep 1; done' & "
	         "while [ ! -s pid ]; do sleep 0.01; done; exit 5");
	pid = read_pid(f, "pid");
	wait_gone(f);
	assert_dead(pid);
}

/* As when the runtime of a container is killed, and what it had started is left. */
static void test_what_a_leader_leaves_that_was_told_alone_is_told_then(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;

	f->spec.signals_leader = true;
	f->spec.stop_timeout_ms = 3600 * 1000;
	start(f, "sleep 3600 & echo $$ >pid; wait");
	(void)read_pid(f, "pid");
	stop(f, &last);
	assert_int_equal(last.status.exit_signal, SIGTERM);
	assert_false(last.status.killed);
}

static void test_an_orphan_that_holds_stdout_does_not_delay(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "echo last; sleep 100 & exit 4");
	wait_gone(f); /* which waits for a fifth of that */
	collect(f, &c);
	assert_string_equal(c.out.buf, "last\n");
	assert_int_equal(event_int(&c, "code"), 4);
}

static void test_fork_bomb_is_ended(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;

	/* Bounded in count and rounds, in case the test itself is killed; all respawn meanwhile. */
	start(f, "trap '' TERM; i=0; while [ $i -lt 50 ]; do "
	         "(trap '' TERM; n=0; while [ $n -lt 1000 ]; do sh -c 'sleep 0.01' & wait; "
	         "n=$((n+1)); done) & i=$((i+1)); done; echo $$ >pid; wait");
	(void)read_pid(f, "pid");
	stop(f, &last);
	assert_int_equal(last.status.state, KEEPER_EXITED);
}

static void test_stop_command_and_its_output(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	f->spec.stop_timeout_ms = 20000;
	strv_add(&f->spec.stop_args, "sh");
	strv_add(&f->spec.stop_args, "-c");
	strv_add(&f->spec.stop_args, "echo stopping; touch please-stop");
	start(f, "trap '' TERM; echo $$ >pid; while [ ! -e please-stop ]; do sleep 0.05; done; "
	         "exit 7");
	(void)read_pid(f, "pid");
	stop(f, &last);
	assert_int_equal(last.status.exit_code, 7);
	collect(f, &c);
	assert_string_equal(c.out.buf, "stopping\n");
}

static void test_a_stop_command_that_fails_falls_back_to_the_signal(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;

	/* Who waits for its end is given a SIGKILL. */
	f->spec.stop_timeout_ms = 10000;
	strv_add(&f->spec.stop_args, "false");
	start(f, "echo $$ >pid; exec sleep 100");
	(void)read_pid(f, "pid");
	stop(f, &last);
	assert_int_equal(last.status.exit_signal, SIGTERM);
}

static void test_sigterm_to_the_keeper_is_a_stop(void **state)
{
	struct fixture *f = *state;
	cleanup_close int fd = -1;
	struct keeper_packet packet;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	start(f, "exec sleep 100");
	fd = dial(f);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
	say(fd, "op=subscribe\n");
	assert_true(hear(fd, &packet));
	assert_int_equal(kill(peer.pid, SIGTERM), 0);
	while (hear(fd, &packet))
		continue;
	assert_int_equal(packet.status.exit_signal, SIGTERM);
}

static void test_kill_and_signal_and_nonsense(void **state)
{
	struct fixture *f = *state;
	cleanup_close int fd = -1, other = -1;
	struct keeper_packet packet;

	start(f, "trap 'echo got' USR1; trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done");
	(void)read_pid(f, "pid");
	fd = dial(f);
	other = dial(f);
	say(fd, "what is this");
	assert_true(hear(fd, &packet));
	assert_int_equal(packet.op, KEEPER_ERROR);
	say(fd, "op=hello\n");
	assert_true(hear(fd, &packet));
	assert_int_equal(packet.status.state, KEEPER_RUNNING);
	assert_true(packet.status.start_ticks > 0);
	say(other, "op=subscribe\n");
	assert_true(hear(other, &packet));
	say(fd, "op=kill\n");
	while (hear(other, &packet))
		continue;
	assert_int_equal(packet.status.exit_signal, SIGKILL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stop_reaches_every_kind_of_descendant),
		TEST(test_a_tree_that_ignores_sigterm_is_killed_in_time),
		TEST(test_leader_that_ends_takes_its_children_along),
		TEST(test_what_a_leader_leaves_that_was_told_alone_is_told_then),
		TEST(test_an_orphan_that_holds_stdout_does_not_delay),
		TEST(test_fork_bomb_is_ended),
		TEST(test_stop_command_and_its_output),
		TEST(test_a_stop_command_that_fails_falls_back_to_the_signal),
		TEST(test_sigterm_to_the_keeper_is_a_stop),
		TEST(test_kill_and_signal_and_nonsense),
	};

	if (!take_program(argc, argv))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
