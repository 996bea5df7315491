#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

struct peer {
	struct loop *loop;
	size_t received, limit;
	bool got_eof;
	int drains, error;
};

static void count_bytes(struct stream *stream, void *data)
{
	struct peer *peer = data;

	peer->received += stream_input(stream)->len;
	strbuf_consume(stream_input(stream), stream_input(stream)->len);
	stream_resume(stream);
}

static void note_eof(struct stream *stream, int error, void *data)
{
	struct peer *peer = data;

	peer->got_eof = true;
	peer->error = error;
	loop_stop(peer->loop, 0);
}

static void note_drain(struct stream *stream, void *data)
{
	struct peer *peer = data;

	peer->drains++;
	stream_shutdown_write(stream);
}

static const struct stream_events counting = {
	.on_read = count_bytes, .on_eof = note_eof, .on_drain = note_drain};

static void every_byte_arrives_past_a_full_socket(void **state)
{
	static char block[1000];
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_loop) struct loop *loop = loop_new(&err);
	struct peer sender = {.loop = loop}, receiver = {.loop = loop};
	struct stream *out, *in;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	out = stream_new(loop, fds[0], &counting, &sender, &err);
	in = stream_new(loop, fds[1], &counting, &receiver, &err);
	for (int i = 0; i < 2000; i++)
		stream_write(out, block, sizeof(block));
	assert_true(stream_is_congested(out));
	assert_int_equal(loop_run(loop, &err), 0);
	assert_int_equal(receiver.received, 2000 * sizeof(block));
	assert_true(receiver.got_eof);
	assert_int_equal(receiver.error, 0);
	assert_int_equal(sender.drains, 1);
	stream_free(out);
	stream_free(in);
}

static void free_on_read(struct stream *stream, void *data)
{
	struct peer *peer = data;

	peer->received++;
	stream_free(stream);
	loop_stop(peer->loop, 0);
}

static void a_stream_may_be_freed_in_its_callback(void **state)
{
	static const struct stream_events events = {.on_read = free_on_read, .on_eof = note_eof};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(freep_loop) struct loop *loop = loop_new(&err);
	struct peer peer = {.loop = loop};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_non_null(stream_new(loop, fds[0], &events, &peer, &err));
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(loop, &err), 0);
	assert_int_equal(peer.received, 1);
	assert_int_equal(read(fds[1], &(char){0}, 1), 0); /* closed */
	close(fds[1]);
}

static void a_child_gets_only_what_it_was_given(void **state)
{
	static const char *const argv[] = {"sh", "-c", "ls /proc/self/fd; cat <&5; exit $X", NULL};
	static const char *const env[] = {"X=3", "PATH=/usr/bin:/bin", NULL};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	int in[2], from[2], status;
	pid_t pid;

	assert_int_equal(fd_pipe(in, &err), 0);
	assert_int_equal(fd_pipe(from, &err), 0);
	const struct child_fd fds[] = {{in[0], 5}, {from[1], 1}};
	const struct child_spec spec = {
		.path = "sh", .argv = argv, .env = env, .cwd = "/", .fds = fds, .nfds = 2};

	pid = child_spawn(&spec, &err);
	assert_true(pid > 0);
	close(in[0]);
	close(from[1]);
	assert_int_equal(write(in[1], "hi", 2), 2);
	close(in[1]);
	assert_int_equal(fd_read_to_end(from[0], &out, 1000, &err), 0);
	assert_string_equal(out.buf, "0\n1\n2\n3\n5\nhi"); /* 3 is ls's own directory */
	close(from[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 3);
}

static void a_program_that_is_not_there_is_named(void **state)
{
	static const char *const argv[] = {"no-such-program", NULL};
	cleanup(error_release) struct error err = ERROR_INIT;
	struct child_spec spec = {.path = argv[0], .argv = argv};

	assert_int_equal(child_spawn(&spec, &err), -1);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "start no-such-program: No such file or directory");
	spec.path = "sh";
	spec.cwd = "/no/such/dir";
	assert_int_equal(child_spawn(&spec, &err), -1);
	assert_non_null(strstr(err.text, "/no/such/dir"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_arrives_past_a_full_socket),
		cmocka_unit_test(a_stream_may_be_freed_in_its_callback),
		cmocka_unit_test(a_child_gets_only_what_it_was_given),
		cmocka_unit_test(a_program_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
