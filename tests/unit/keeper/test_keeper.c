#include "keeper_run.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_streams_and_exit_code(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "echo out; echo err >&2; exit 3");
	wait_gone(f);
	collect(f, &c);
	assert_string_equal(c.out.buf, "out\n");
	assert_string_equal(c.err.buf, "err\n");
	assert_int_equal(event_int(&c, "code"), 3);
	assert_int_equal(event_int(&c, "requested"), 0);
	assert_false(fs_exists(f->spec.socket));
	assert_false(fs_exists(f->spec_path));
}

static void test_a_signal_is_told_as_one(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "kill -USR1 $$");
	wait_gone(f);
	collect(f, &c);
	assert_int_equal(event_int(&c, "code"), -1);
	assert_int_equal(event_int(&c, "signal"), SIGUSR1);
}

static void test_what_cannot_be_executed(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	cleanup(collected_release) struct collected d = COLLECTED_INIT;

	start_args(f, (const char *const[]){"nosuchprogram", NULL});
	wait_gone(f);
	collect(f, &c);
	assert_int_equal(event_int(&c, "code"), 127);
	assert_int_equal(event_int(&c, "errno"), ENOENT);
	f->spec.run = 2;
	free(f->spec.cwd);
	f->spec.cwd = xstrdup("/etc/passwd");
	start(f, "true");
	wait_gone(f);
	collect(f, &d);
	assert_non_null(strstr(d.events.buf, "code=126"));
	assert_non_null(strstr(d.events.buf, "folder /etc/passwd: Not a directory"));
}

static void test_seqs_and_positions_go_on_across_runs(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	for (f->spec.run = 1; f->spec.run <= 3; f->spec.run++) {
		start(f, "echo line");
		wait_gone(f);
	}
	collect(f, &c);
	assert_string_equal(c.out.buf, "line\nline\nline\n");
	assert_int_equal(c.end_pos, 15);
}

static void test_unterminated_last_line_is_kept(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "echo one; printf tail");
	wait_gone(f);
	collect(f, &c);
	assert_string_equal(c.out.buf, "one\ntail");
	assert_int_equal(c.last_flags, LOG_PARTIAL);
}

static void test_last_lines_of_200_runs(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	for (f->spec.run = 1; f->spec.run <= 200; f->spec.run++) {
		start(f, "echo 1; echo 2 >&2; printf 3");
		wait_gone(f);
	}
	collect(f, &c);
	assert_int_equal(c.out.len, 200 * 3);
	assert_int_equal(c.err.len, 200 * 2);
}

static void test_long_lines_are_split_and_come_back_whole(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "head -c 300000 /dev/zero | tr '\\0' x; echo; echo end");
	wait_gone(f);
	collect(f, &c);
	assert_int_equal(c.out.len, 300000 + 1 + 4);
	assert_string_equal(c.out.buf + 300001, "end\n");
	assert_int_equal(strspn(c.out.buf, "x"), 300000);
}

static void test_binary_output_is_kept_as_it_is(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	cleanup(strbuf_release) struct strbuf want = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(f->dir, "random");

	start(f, "head -c 1000000 /dev/urandom | tee random");
	wait_gone(f);
	assert_int_equal(fs_read_file(path, 2000000, &want, &err), 0);
	collect(f, &c);
	assert_int_equal(c.out.len, want.len);
	assert_memory_equal(c.out.buf, want.buf, want.len);
}

static void test_flat_out_writer_is_accounted_to_the_byte(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	uint64_t written = 50000000 + 50000000 / 99 + 1;

	f->spec.segment_bytes = 1 << 20;
	f->spec.segment_count = 4;
	start(f, "head -c 50000000 /dev/zero | tr '\\0' x | fold -w 99; echo");
	wait_gone(f);
	collect(f, &c);
	assert_true(c.first_pos > 0);
	assert_int_equal(c.first_pos + c.stored, c.end_pos);
	assert_int_equal(c.end_pos, written);
	assert_true(f->log.len <= 4 << 20);
}

static void test_the_program_starts_clean(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
	int leak = dup(1); /* not CLOEXEC: must not reach the program all the same */

	sigaction(SIGUSR2, &ignore, &old);
	start(f,
	      "ls -l /proc/self/fd | grep -c -- '->'; grep -E '^Sig(Blk|Ign)' /proc/self/status; "
	      "cat /proc/self/oom_score_adj; env");
	sigaction(SIGUSR2, &old, NULL);
	close(leak);
	wait_gone(f);
	collect(f, &c);
	/* 0, 1, 2 and the folder that ls reads. */
	assert_true(str_starts(c.out.buf, "4\n"));
	assert_non_null(strstr(c.out.buf, "SigBlk:\t0000000000000000\n"));
	assert_non_null(strstr(c.out.buf, "SigIgn:\t0000000000000000\n"));
	assert_null(strstr(c.out.buf, "HOME="));
}

static void test_one_keeper_a_log(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;

	start(f, "exec sleep 100");
	write_spec(f);
	assert_int_equal(start_keeper(f), 1);
	stop(f, &last);
}

static void test_bad_specs_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start_keeper(f), 1); /* there is none */
	strv_add(&f->spec.args, "true");
	write_spec(f);
	assert_int_equal(chmod(f->spec_path, 0644), 0);
	assert_int_equal(start_keeper(f), 1);
	assert_false(fs_exists(f->spec.socket));
}

static void test_a_torn_record_is_cut_off(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	struct stat st;

	start(f, "echo one");
	wait_gone(f);
	path = path_join(f->spec.log_dir, "00000000000000000001.seg");
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	/* The exit record is torn, as when the machine lost its power. */
	assert_int_equal(ftruncate(fd, st.st_size - 5), 0);
	f->spec.run = 2;
	start(f, "echo two");
	wait_gone(f);
	collect(f, &c);
	assert_string_equal(c.out.buf, "one\ntwo\n");
}

static void test_a_keeper_is_small(void **state)
{
	struct fixture *f = *state;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = -1, program = -1;
	cleanup_free char *path = NULL;
	struct keeper_packet packet;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const char *dirty;

	/* Every buffer has been used before it is measured. */
	start(f, "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo $$ >pid; "
	         "exec sleep 100");
	(void)read_pid(f, "pid");
	fd = dial(f);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
	/* A program that was just linked is not written back yet, and would count. */
	path = xasprintf("/proc/%d/exe", (int)peer.pid);
	program = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsync(program), 0);
	free(path);
	path = xasprintf("/proc/%d/smaps_rollup", (int)peer.pid);
	assert_int_equal(fs_read_file(path, 65536, &text, &err), 0);
	dirty = strstr(text.buf, "Private_Dirty:");
	assert_non_null(dirty);
	assert_true(strtoul(dirty + strlen("Private_Dirty:"), NULL, 10) <= 300);
	stop(f, &packet);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_streams_and_exit_code),
		TEST(test_a_signal_is_told_as_one),
		TEST(test_what_cannot_be_executed),
		TEST(test_seqs_and_positions_go_on_across_runs),
		TEST(test_unterminated_last_line_is_kept),
		TEST(test_last_lines_of_200_runs),
		TEST(test_long_lines_are_split_and_come_back_whole),
		TEST(test_binary_output_is_kept_as_it_is),
		TEST(test_flat_out_writer_is_accounted_to_the_byte),
		TEST(test_the_program_starts_clean),
		TEST(test_one_keeper_a_log),
		TEST(test_bad_specs_are_refused),
		TEST(test_a_torn_record_is_cut_off),
		TEST(test_a_keeper_is_small),
	};

	if (!take_program(argc, argv))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
