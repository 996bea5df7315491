/* Runs the real program: its path is the only argument. */
#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"
#include "keeper/log_record.h"
#include "keeper/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
	char *dir, *spec_path;
	struct keeper_spec spec;
	struct strbuf log; /* the segments, one after the other */
};

static const char *keeper_program;

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-keeper-XXXXXX";

	f->dir = xstrdup(mkdtemp(template));
	f->spec_path = path_join(f->dir, "web.spec");
	f->spec = (struct keeper_spec){
		.socket = path_join(f->dir, "web.sock"),
		.log_dir = path_join(f->dir, "log"),
		.service = xstrdup("web"),
		.run = 1,
		.cwd = xstrdup(f->dir),
		.stop_signal = SIGTERM,
		.stop_timeout_ms = 300,
		.segment_bytes = 8 << 20,
		.segment_count = 8,
	};
	strv_add(&f->spec.env, "PATH=/usr/bin:/bin");
	f->log = (struct strbuf)STRBUF_INIT;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	fs_remove_tree(AT_FDCWD, f->dir, &err);
	keeper_spec_release(&f->spec);
	strbuf_release(&f->log);
	free(f->dir);
	free(f->spec_path);
	free(f);
	return 0;
}

static void write_spec(struct fixture *f)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	keeper_spec_encode(&f->spec, &text);
	assert_int_equal(fs_write_atomic(f->spec_path, text.buf, text.len, 0600, &err), 0);
}

/* The exit status of the program that starts the keeper. */
static int start_keeper(struct fixture *f)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		execl(keeper_program, keeper_program, f->spec_path, NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void start_args(struct fixture *f, const char *const *args)
{
	strv_release(&f->spec.args);
	for (; *args; args++)
		strv_add(&f->spec.args, *args);
	write_spec(f);
	assert_int_equal(start_keeper(f), 0);
}

static void start(struct fixture *f, const char *script)
{
	start_args(f, (const char *const[]){"sh", "-c", script, NULL});
}

/* -1 when the keeper has ended already. */
static int dial(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int dir = -1;
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(keeper_socket_address(f->spec.socket, &addr, &dir, &err), 0);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next packet; false at the end of the connection. */
static bool hear(int fd, struct keeper_packet *packet)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char buf[KEEPER_PACKET_MAX];
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&pollfd, 1, 20000), 1);
	n = recv(fd, buf, sizeof(buf), 0);
	if (n <= 0)
		return false;
	assert_int_equal(keeper_packet_decode(buf, (size_t)n, packet, &err), 0);
	return true;
}

static void wait_gone(struct fixture *f)
{
	cleanup_close int fd = dial(f);
	struct keeper_packet packet;

	if (fd < 0)
		return;
	(void)send(fd, "op=subscribe\n", 13, MSG_NOSIGNAL);
	while (hear(fd, &packet))
		continue;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_log(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv names = STRV_INIT;
	DIR *dir = opendir(f->spec.log_dir);
	struct dirent *entry;
	uint64_t seq;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (log_segment_parse(entry->d_name, &seq))
			strv_add(&names, entry->d_name);
	closedir(dir);
	qsort(names.items, names.len, sizeof(char *), compare_names);
	strbuf_reset(&f->log);
	for (size_t i = 0; i < names.len; i++) {
		cleanup_free char *path = path_join(f->spec.log_dir, names.items[i]);

		assert_int_equal(fs_read_file(path, 1 << 30, &f->log, &err), 0);
	}
}

typedef void record_fn(const struct log_record *record, void *data);

/* Every byte of the log belongs to a record, and seqs have no hole. */
static void each_record(struct fixture *f, record_fn *fn, void *data)
{
	struct log_record record;
	uint64_t last = 0;
	size_t at = 0;

	read_log(f);
	while (at < f->log.len) {
		long size = log_record_decode(f->log.buf + at, f->log.len - at, &record);

		assert_true(size > 0);
		assert_true(last == 0 || record.seq == last + 1);
		last = record.seq;
		at += (size_t)size;
		fn(&record, data);
	}
}

struct collected {
	struct strbuf out, err, events;
	uint64_t first_pos, end_pos, stored;
	unsigned int last_flags;
	bool has_first;
};

static void collect_record(const struct log_record *record, void *data)
{
	struct collected *c = data;

	if (!c->has_first) {
		c->first_pos = record->pos;
		c->has_first = true;
	}
	c->end_pos = record->pos + (record->stream == LOG_EVENT ? 0 : record->len);
	if (record->stream == LOG_EVENT) {
		strbuf_add(&c->events, record->data, record->len);
		return;
	}
	c->stored += record->len;
	c->last_flags = record->flags;
	strbuf_add(record->stream == LOG_OUT ? &c->out : &c->err, record->data, record->len);
}

static void collected_release(struct collected *c)
{
	strbuf_release(&c->out);
	strbuf_release(&c->err);
	strbuf_release(&c->events);
}

#define COLLECTED_INIT                                                                             \
	{                                                                                          \
		STRBUF_INIT, STRBUF_INIT, STRBUF_INIT                                              \
	}

static int64_t event_int(const struct collected *c, const char *key)
{
	return keeper_line_int(c->events.buf, c->events.len, key, -99);
}

static void test_streams_and_exit_code(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "echo out; echo err >&2; exit 3");
	wait_gone(f);
	each_record(f, collect_record, &c);
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
	each_record(f, collect_record, &c);
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
	each_record(f, collect_record, &c);
	assert_int_equal(event_int(&c, "code"), 127);
	assert_int_equal(event_int(&c, "errno"), ENOENT);
	f->spec.run = 2;
	free(f->spec.cwd);
	f->spec.cwd = xstrdup("/etc/passwd");
	start(f, "true");
	wait_gone(f);
	each_record(f, collect_record, &d);
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
	each_record(f, collect_record, &c);
	assert_string_equal(c.out.buf, "line\nline\nline\n");
	assert_int_equal(c.end_pos, 15);
}

static void test_unterminated_last_line_is_kept(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "echo one; printf tail");
	wait_gone(f);
	each_record(f, collect_record, &c);
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
	each_record(f, collect_record, &c);
	assert_int_equal(c.out.len, 200 * 3);
	assert_int_equal(c.err.len, 200 * 2);
}

static void test_long_lines_are_split_and_come_back_whole(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;

	start(f, "head -c 300000 /dev/zero | tr '\\0' x; echo; echo end");
	wait_gone(f);
	each_record(f, collect_record, &c);
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
	each_record(f, collect_record, &c);
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
	each_record(f, collect_record, &c);
	assert_true(c.first_pos > 0);
	assert_int_equal(c.first_pos + c.stored, c.end_pos);
	assert_int_equal(c.end_pos, written);
	assert_true(f->log.len <= 4 << 20);
}

static pid_t read_pid(struct fixture *f, const char *name)
{
	cleanup_free char *path = path_join(f->dir, name);

	for (int i = 0; i < 500; i++) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;

		if (fs_exists(path) && fs_read_file(path, 64, &text, &err) == 0 &&
		    strchr(text.buf, '\n'))
			return (pid_t)strtoul(text.buf, NULL, 10);
		poll(NULL, 0, 10);
	}
	fail_msg("%s was not written", name);
	return -1;
}

static void stop(struct fixture *f, struct keeper_packet *last)
{
	cleanup_close int fd = dial(f);

	assert_true(fd >= 0);
	say(fd, "op=subscribe\n");
	assert_true(hear(fd, last));
	say(fd, "op=stop\n");
	while (hear(fd, last))
		continue;
}

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
		"setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >pid; while :; do sleep 1; done' & "
		"wait",
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
	assert_true(took >= 300 && took < 300 + 500);
	assert_int_equal(last.status.exit_signal, SIGKILL);
	assert_true(last.status.killed);
	each_record(f, collect_record, &c);
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

static void test_an_orphan_that_holds_stdout_does_not_delay(void **state)
{
	struct fixture *f = *state;
	cleanup(collected_release) struct collected c = COLLECTED_INIT;
	int64_t began = clock_mono_ms();

	start(f, "echo last; sleep 100 & exit 4");
	wait_gone(f);
	assert_true(clock_mono_ms() - began < 5000);
	each_record(f, collect_record, &c);
	assert_string_equal(c.out.buf, "last\n");
	assert_int_equal(event_int(&c, "code"), 4);
}

static void test_fork_bomb_is_ended(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;

	/* Bounded by its own count, and every one of them respawns what it can meanwhile. */
	start(f, "trap '' TERM; i=0; while [ $i -lt 200 ]; do "
	         "(trap '' TERM; while :; do sh -c 'sleep 0.01' & wait; done) & i=$((i+1)); done; "
	         "echo $$ >pid; wait");
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
	each_record(f, collect_record, &c);
	assert_string_equal(c.out.buf, "stopping\n");
}

static void test_a_stop_command_that_fails_falls_back_to_the_signal(void **state)
{
	struct fixture *f = *state;
	struct keeper_packet last;
	int64_t began;

	f->spec.stop_timeout_ms = 20000;
	strv_add(&f->spec.stop_args, "false");
	start(f, "echo $$ >pid; exec sleep 100");
	(void)read_pid(f, "pid");
	began = clock_mono_ms();
	stop(f, &last);
	assert_int_equal(last.status.exit_signal, SIGTERM);
	assert_true(clock_mono_ms() - began < 5000);
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
	each_record(f, collect_record, &c);
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
	f->spec.tty = true;
	write_spec(f);
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
	each_record(f, collect_record, &c);
	assert_string_equal(c.out.buf, "one\ntwo\n");
}

static void test_a_keeper_is_small(void **state)
{
	struct fixture *f = *state;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = -1;
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
	path = xasprintf("/proc/%d/smaps_rollup", (int)peer.pid);
	assert_int_equal(fs_read_file(path, 65536, &text, &err), 0);
	dirty = strstr(text.buf, "Private_Dirty:");
	assert_non_null(dirty);
	assert_true(strtoul(dirty + strlen("Private_Dirty:"), NULL, 10) <= 300);
	say(fd, "op=kill\n");
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
		TEST(test_stop_reaches_every_kind_of_descendant),
		TEST(test_a_tree_that_ignores_sigterm_is_killed_in_time),
		TEST(test_leader_that_ends_takes_its_children_along),
		TEST(test_an_orphan_that_holds_stdout_does_not_delay),
		TEST(test_fork_bomb_is_ended),
		TEST(test_stop_command_and_its_output),
		TEST(test_a_stop_command_that_fails_falls_back_to_the_signal),
		TEST(test_sigterm_to_the_keeper_is_a_stop),
		TEST(test_kill_and_signal_and_nonsense),
		TEST(test_the_program_starts_clean),
		TEST(test_one_keeper_a_log),
		TEST(test_bad_specs_are_refused),
		TEST(test_a_torn_record_is_cut_off),
		TEST(test_a_keeper_is_small),
	};

	if (argc != 2)
		return 2;
	keeper_program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
