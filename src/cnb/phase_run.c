#include "cnb/phase_run.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/events.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "oci/container_dir.h"

#include <errno.h>
#include <sys/pidfd.h>

#define LINE_MAX_SHOWN 16384
#define TAIL_LINES     10
#define KILL_AFTER_MS  3000
#define COMPLAINT      "ERROR: "

static const int signal_numbers[2] = {SIGTERM, SIGINT};

struct phase_run {
	struct phase_runner *runner;
	struct stream *streams[2]; /* output and error */
	struct loop_source *child, *kill_timer;
	bool has_exited;
	int exit_code;
	struct strv tail;
	char *complaint;
};

static void run_release(struct phase_run *run)
{
	for (size_t i = 0; i < ARRAY_LEN(run->streams); i++)
		stream_free(run->streams[i]);
	loop_source_free(run->child);
	loop_source_free(run->kill_timer);
	strv_release(&run->tail);
	free(run->complaint);
	run->runner->current = NULL;
}

void phase_result_release(struct phase_result *result)
{
	free(result->complaint);
	free(result->tail);
}

/* ---- cancelling ---- */

static void send_signal(struct phase_run *run, int signo)
{
	if (run->child && !run->has_exited)
		pidfd_send_signal(loop_child_pidfd(run->child), signo, NULL, 0);
}

static void on_kill_time(unused_arg struct loop_source *source, void *data)
{
	send_signal(data, SIGKILL);
}

static void on_signal(unused_arg struct loop_source *source, unused_arg int signo, void *data)
{
	struct phase_runner *runner = data;

	runner->is_cancelled = true;
	if (!runner->current)
		return;
	send_signal(runner->current, SIGTERM);
	loop_timer_set(runner->current->kill_timer, KILL_AFTER_MS);
}

void phase_runner_release(struct phase_runner *runner)
{
	for (size_t i = 0; i < ARRAY_LEN(runner->signals); i++)
		loop_source_free(runner->signals[i]);
	loop_free(runner->loop);
	root_choice_release(&runner->root);
}

int phase_runner_init(struct phase_runner *runner, const char *shim, const char *dir,
                      const struct cnb_events *events, struct error *err)
{
	*runner = (struct phase_runner){.shim = shim, .dir = dir, .events = events};
	runner->loop = loop_new(err);
	if (!runner->loop)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(runner->signals); i++)
		if (loop_add_signal(runner->loop, signal_numbers[i], on_signal, runner,
		                    &runner->signals[i], err) < 0)
			return -1;
	return 0;
}

int phase_runner_check(struct phase_runner *runner, struct error *err)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < ARRAY_LEN(signal_numbers); i++)
		if (sigismember(&pending, signal_numbers[i]))
			runner->is_cancelled = true;
	if (!runner->is_cancelled)
		return 0;
	return error_set(err, ERR_INTERRUPTED, "the build was cancelled; nothing was changed");
}

/* ---- output ---- */

static void take_line(struct phase_run *run, bool is_error, const char *line, size_t len)
{
	cleanup_free char *text = xstrndup(line, len);

	cnb_log(run->runner->events, is_error ? "err" : "out", line, len);
	if (is_error && str_starts(text, COMPLAINT)) {
		/* "ERROR: builder: what" */
		const char *what = strstr(text + strlen(COMPLAINT), ": ");

		free(run->complaint);
		run->complaint = xstrdup(what ? what + 2 : text + strlen(COMPLAINT));
		return;
	}
	if (is_error && str_starts(text, "hint: "))
		return;
	if (run->tail.len == TAIL_LINES) {
		free(run->tail.items[0]);
		memmove(run->tail.items, run->tail.items + 1, TAIL_LINES * sizeof(char *));
		run->tail.len--;
	}
	strv_add(&run->tail, text);
}

static void take_lines(struct phase_run *run, struct stream *stream)
{
	struct strbuf *in = stream_input(stream);
	bool is_error = stream == run->streams[1];
	char *newline;

	while ((newline = memchr(in->buf, '\n', in->len))) {
		size_t len = (size_t)(newline - in->buf);

		take_line(run, is_error, in->buf, len);
		strbuf_consume(in, len + 1);
	}
	if (in->len >= LINE_MAX_SHOWN) {
		take_line(run, is_error, in->buf, in->len);
		strbuf_consume(in, in->len);
	}
}

static void stop_when_done(struct phase_run *run)
{
	if (run->has_exited && !run->streams[0] && !run->streams[1])
		loop_stop(run->runner->loop, 0);
}

static void on_read(struct stream *stream, void *data)
{
	take_lines(data, stream);
	stream_resume(stream);
}

static void on_eof(struct stream *stream, unused_arg int error, void *data)
{
	struct phase_run *run = data;
	struct strbuf *in = stream_input(stream);
	size_t which = stream == run->streams[1];

	take_lines(run, stream);
	if (in->len)
		take_line(run, which, in->buf, in->len);
	stream_free(take_ptr(run->streams[which]));
	stop_when_done(run);
}

static void on_child_exit(unused_arg struct loop_source *source, const siginfo_t *info, void *data)
{
	struct phase_run *run = data;

	run->has_exited = true;
	run->exit_code = info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
	stop_when_done(run);
}

/* ---- the container ---- */

static const struct stream_events stream_callbacks = {.on_read = on_read, .on_eof = on_eof};

/* Starts the shim; its output is read by the run's streams. */
static int start(struct phase_run *run, const char *name, const char *bundle, struct error *err)
{
	struct phase_runner *runner = run->runner;
	cleanup_free char *id = xasprintf("build-%d-%s", (int)getpid(), name);
	cleanup_free char *root = path_join(runner->dir, "shim");
	const char *argv[] = {runner->shim, "--root", root, "run", "--bundle", bundle, id, NULL};
	cleanup_close int out = -1;
	cleanup_close int error = -1;
	struct child_fd fds[2];
	struct child_spec spec = {
		.path = runner->shim, .argv = argv, .fds = fds, .nfds = 2, .die_with_parent = true};
	int pipe_fds[2];
	pid_t pid;

	if (fd_pipe(pipe_fds, err) < 0)
		return -1;
	out = pipe_fds[1];
	run->streams[0] = stream_new(runner->loop, pipe_fds[0], &stream_callbacks, run, err);
	if (!run->streams[0] || fd_pipe(pipe_fds, err) < 0)
		return -1;
	error = pipe_fds[1];
	run->streams[1] = stream_new(runner->loop, pipe_fds[0], &stream_callbacks, run, err);
	if (!run->streams[1])
		return -1;
	fds[0] = (struct child_fd){out, STDOUT_FILENO};
	fds[1] = (struct child_fd){error, STDERR_FILENO};
	pid = child_spawn(&spec, err);
	if (pid < 0)
		return -1;
	return loop_add_child(runner->loop, pid, on_child_exit, run, &run->child, err);
}

static char *joined(const struct strv *lines)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < lines->len; i++)
		strbuf_addf(&text, "%s%s", i ? "\n" : "", lines->items[i]);
	return strbuf_detach(&text);
}

static int run_container(struct phase_runner *runner, const char *name, const char *bundle,
                         struct phase_result *ret, struct error *err)
{
	cleanup(run_release) struct phase_run run = {.runner = runner};

	runner->current = &run;
	run.kill_timer = loop_add_timer(runner->loop, -1, on_kill_time, &run);
	if (phase_runner_check(runner, err) < 0 || start(&run, name, bundle, err) < 0 ||
	    loop_run(runner->loop, err) < 0 || phase_runner_check(runner, err) < 0)
		return -1;
	ret->exit_code = run.exit_code;
	ret->complaint = take_ptr(run.complaint);
	ret->tail = joined(&run.tail);
	return 0;
}

static int choose_root(struct phase_runner *runner, const struct store *store, struct error *err)
{
	const struct root_question question = {.shim = runner->shim,
	                                       .store = store->path,
	                                       .place = runner->dir,
	                                       .memory = runner->root_memory};

	if (!runner->has_root && root_choose(&question, &runner->root, err) < 0)
		return -1;
	runner->has_root = true;
	return 0;
}

int phase_run(struct phase_runner *runner, const char *name,
              const struct container_request *request, struct phase_result *ret, struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *dir = path_join(runner->dir, name);
	cleanup_free char *bundle = container_dir_bundle(dir);
	struct container_request with_root = *request;
	int result;

	if (choose_root(runner, request->store, err) < 0)
		return -1;
	with_root.root = &runner->root;
	if (container_dir_create(dir, &with_root, true, err) < 0)
		return -1;
	result = run_container(runner, name, bundle, ret, err);
	if (container_dir_remove(dir, result < 0 ? &ignored : err) < 0)
		result = -1;
	return result;
}
