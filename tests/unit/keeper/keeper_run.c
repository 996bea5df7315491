#include "keeper_run.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

/* The environment carries it to the fixtures, which cmocka makes. */
#define PROGRAM_VARIABLE "LOCALD_TEST_KEEPER"

bool take_program(int argc, char **argv)
{
	return argc == 2 && setenv(PROGRAM_VARIABLE, argv[1], 1) == 0;
}

int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char template[] = "/tmp/locald-keeper-XXXXXX";

	f->program = getenv(PROGRAM_VARIABLE);
	assert_non_null(f->program);
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

int tear_down(void **state)
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

void write_spec(struct fixture *f)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	keeper_spec_encode(&f->spec, &text);
	assert_int_equal(fs_write_atomic(f->spec_path, text.buf, text.len, 0600, &err), 0);
}

int start_keeper(struct fixture *f)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		execl(f->program, f->program, f->spec_path, NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void start_args(struct fixture *f, const char *const *args)
{
	strv_release(&f->spec.args);
	for (; *args; args++)
		strv_add(&f->spec.args, *args);
	write_spec(f);
	assert_int_equal(start_keeper(f), 0);
}

void start(struct fixture *f, const char *script)
{
	start_args(f, (const char *const[]){"sh", "-c", script, NULL});
}

int dial(struct fixture *f)
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

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

bool hear(int fd, struct keeper_packet *packet)
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

void wait_gone(struct fixture *f)
{
	cleanup_close int fd = dial(f), lock = -1;
	struct keeper_packet packet;

	if (fd >= 0) {
		(void)send(fd, "op=subscribe\n", 13, MSG_NOSIGNAL);
		while (hear(fd, &packet))
			continue;
	}
	/* Its socket goes a moment before it lets go of the log. */
	lock = open(f->spec.log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_SH), 0);
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

static void add_record(const struct log_record *record, struct collected *c)
{
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

void collect(struct fixture *f, struct collected *c)
{
	struct log_record record;
	uint64_t last = 0;
	size_t at = 0;

	read_log(f);
	while (at < f->log.len) {
		long size = log_record_decode(f->log.buf + at, f->log.len - at, &record);

		assert_true(size > 0);
		assert_true(last == 0 || record.seq == last + 1);
		last = record.seq + record.lines - 1;
		at += (size_t)size;
		add_record(&record, c);
	}
}

void collected_release(struct collected *c)
{
	strbuf_release(&c->out);
	strbuf_release(&c->err);
	strbuf_release(&c->events);
}

int64_t event_int(const struct collected *c, const char *key)
{
	return keeper_line_int(c->events.buf, c->events.len, key, -99);
}

pid_t read_pid(struct fixture *f, const char *name)
{
	cleanup_free char *path = path_join(f->dir, name);

	for (int i = 0; i < 6000; i++) {
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

void stop(struct fixture *f, struct keeper_packet *last)
{
	cleanup_close int fd = dial(f);

	assert_true(fd >= 0);
	say(fd, "op=subscribe\n");
	assert_true(hear(fd, last));
	say(fd, "op=stop\n");
	while (hear(fd, last))
		continue;
}
