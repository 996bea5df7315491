#include "daemon/job_child.h"

#include "api/api_error.h"
#include "api/paths.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/stream.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#define LINE_MAX_BYTES  (4u << 20)
#define CANCEL_GRACE_MS 10000

struct job_child {
	struct job_children *all;
	const struct job_events *events;
	void *data;
	char *kind;
	struct stream *out; /* NULL once it ended */
	struct loop_source *child, *grace;
	struct strbuf line; /* the line that is being read */
	json_t *result;
	siginfo_t exit;
	bool has_exited, is_cancelled;
};

static void job_child_free(struct job_child *job)
{
	array_drop(&job->all->items, job);
	stream_free(job->out);
	loop_source_free(job->child);
	loop_source_free(job->grace);
	strbuf_release(&job->line);
	json_decref(job->result);
	free(job->kind);
	free(job);
}

static json_t *result_of_death(const struct job_child *job)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	json_t *result = json_object();

	if (job->exit.si_code == CLD_EXITED)
		error_set(&err, ERR_FAILED, "%s ended with code %d and without a result", job->kind,
		          job->exit.si_status);
	else
		error_set(&err, ERR_FAILED, "%s was killed by signal %d", job->kind,
		          job->exit.si_status);
	error_hint(&err, "see `locald daemon logs`");
	json_set_str(result, "event", "result");
	json_set_bool(result, "ok", false);
	json_object_set_new(result, "error", api_error_to_json(&err, NULL));
	return result;
}

/* The end has two parts, in either order: no more output, and the child reaped. */
static void finish_if_done(struct job_child *job)
{
	if (job->out || !job->has_exited)
		return;
	if (!job->is_cancelled) {
		if (!job->result)
			job->result = result_of_death(job);
		job->events->on_result(job->result, job->data);
	}
	job_child_free(job);
}

static void take_line(struct job_child *job, const char *text, size_t len)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *line = json_parse(text, len, &err);

	if (job->is_cancelled || job->result)
		return;
	if (!json_is_object(line)) {
		/* Something in the job printed by itself: shown, not lost. */
		json_decref(line);
		line = json_pack("{s:s, s:s, s:s%}", "event", "log", "stream", "out", "text", text,
		                 len);
		if (!line)
			return;
	}
	if (str_eq(json_get_str(line, "event", ""), "result"))
		job->result = json_incref(line);
	else
		job->events->on_line(line, job->data);
}

static void on_output(struct stream *stream, void *data)
{
	struct job_child *job = data;
	struct strbuf *in = stream_input(stream);
	const char *newline;

	strbuf_add(&job->line, in->buf, in->len);
	strbuf_consume(in, in->len);
	while ((newline = memchr(job->line.buf, '\n', job->line.len))) {
		size_t len = (size_t)(newline - job->line.buf);

		take_line(job, job->line.buf, len);
		strbuf_consume(&job->line, len + 1);
	}
	if (job->line.len > LINE_MAX_BYTES)
		strbuf_reset(&job->line); /* our own program never writes such a line */
	stream_resume(stream);
}

static void on_output_end(struct stream *stream, int error, void *data)
{
	struct job_child *job = data;

	stream_free(stream);
	job->out = NULL;
	finish_if_done(job);
}

static void on_exit_status(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct job_child *job = data;

	job->exit = *info;
	job->has_exited = true;
	loop_source_free(source);
	job->child = NULL;
	finish_if_done(job);
}

/* Never called: the stream of parameters is only written, then closed. */
static void on_nothing(struct stream *stream, void *data)
{
}

static void on_nothing_ends(struct stream *stream, int error, void *data)
{
}

static const struct stream_events output_events = {.on_read = on_output, .on_eof = on_output_end};
static const struct stream_events input_events = {.on_read = on_nothing, .on_eof = on_nothing_ends};

static int send_params(struct job_child *job, int fd, const json_t *params, struct error *err)
{
	cleanup_free char *text = json_text(params);
	struct stream *in = stream_new(job->all->loop, fd, &input_events, NULL, err);

	if (!in)
		return -1;
	stream_write(in, text, strlen(text));
	/* Closed once all is sent: the child reads to the end of its stdin. */
	stream_close_after_flush(in);
	return 0;
}

static int spawn(struct job_child *job, const json_t *params, struct error *err)
{
	cleanup_free char *program = paths_libexec("locald-job", err);
	const char *argv[] = {"locald-job", job->kind, NULL};
	cleanup_close int in_read = -1, in_write = -1, out_read = -1, out_write = -1;
	int fds[2];
	pid_t pid;

	if (!program || fd_pipe(fds, err) < 0)
		return -1;
	in_read = fds[0];
	in_write = fds[1];
	if (fd_pipe(fds, err) < 0)
		return -1;
	out_read = fds[0];
	out_write = fds[1];
	const struct child_fd child_fds[] = {{in_read, 0}, {out_write, 1}, {STDERR_FILENO, 2}};
	const struct child_spec spec = {
		.path = program,
		.argv = argv,
		.fds = child_fds,
		.nfds = ARRAY_LEN(child_fds),
		.new_session = true,
		.die_with_parent = true,
	};

	pid = child_spawn(&spec, err);
	if (pid < 0)
		return -1;
	if (loop_add_child(job->all->loop, pid, on_exit_status, job, &job->child, err) < 0)
		return -1;
	job->out = stream_new(job->all->loop, take_fd(out_read), &output_events, job, err);
	if (!job->out)
		return -1;
	return send_params(job, take_fd(in_write), params, err);
}

struct job_child *job_child_start(struct job_children *children, const char *kind,
                                  const json_t *params, const struct job_events *events, void *data,
                                  struct error *err)
{
	struct job_child *job = xcalloc(1, sizeof(*job));

	*array_add(&children->items) = job;
	job->all = children;
	job->events = events;
	job->data = data;
	job->kind = xstrdup(kind);
	job->line.buf = strbuf_empty;
	if (spawn(job, params, err) == 0)
		return job;
	if (job->child)
		job_child_cancel(job);
	else
		job_child_free(job);
	return NULL;
}

static void kill_now(struct loop_source *source, void *data)
{
	struct job_child *job = data;

	if (job->child)
		syscall(SYS_pidfd_send_signal, loop_child_pidfd(job->child), SIGKILL, NULL, 0);
}

void job_child_cancel(struct job_child *job)
{
	if (!job || job->is_cancelled)
		return;
	job->is_cancelled = true;
	if (!job->child) {
		/* Reaped already: only its output is still open. */
		stream_free(job->out);
		job->out = NULL;
		job->has_exited = true;
		finish_if_done(job);
		return;
	}
	syscall(SYS_pidfd_send_signal, loop_child_pidfd(job->child), SIGTERM, NULL, 0);
	job->grace = loop_add_timer(job->all->loop, CANCEL_GRACE_MS, kill_now, job);
}

void job_children_release(struct job_children *children)
{
	while (children->items.len > 0) {
		struct job_child *job = children->items.items[0];

		job_child_cancel(job);
		/* One that had been reaped is gone with that. */
		if (children->items.len > 0 && children->items.items[0] == job)
			job_child_free(job);
	}
	array_release(&children->items);
}
