#include "base/fork_call.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FORK_RESULT_MAX  (64 * 1024)
#define FORK_EXIT_FAILED 255

/* The result on the pipe: the code, then text and hint, each with its NUL. */
static void send_error(int fd, const struct error *failure)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT_MAX(FORK_RESULT_MAX);

	strbuf_add(&out, &failure->code, sizeof(failure->code));
	strbuf_adds(&out, failure->text ? failure->text : "");
	strbuf_addch(&out, '\0');
	strbuf_adds(&out, failure->hint ? failure->hint : "");
	strbuf_addch(&out, '\0');
	/* A parent that is gone does not care. */
	fd_write_all(fd, out.buf, out.len, &ignored);
}

static int receive_error(const struct strbuf *in, struct error *err)
{
	const char *text = in->buf + sizeof(int);
	const char *hint = NULL;
	int code;

	if (in->len < sizeof(code) + 2 || in->buf[in->len - 1] != '\0')
		return error_set(err, EPROTO, "a worker process gave no reason for its failure");
	memcpy(&code, in->buf, sizeof(code));
	hint = text + strlen(text) + 1;
	error_set(err, code, "%s", text);
	if (hint < in->buf + in->len && *hint)
		error_hint(err, "%s", hint);
	return -1;
}

void fork_call_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static no_return void run_child(fork_fn *fn, void *data, pid_t parent, int result)
{
	cleanup(error_release) struct error failure = ERROR_INIT;
	int code;

	fork_call_die_with_parent();
	if (getppid() != parent)
		_exit(FORK_EXIT_FAILED);
	code = fn(data, &failure);
	if (code < 0)
		send_error(result, &failure);
	error_release(&failure);
	_exit(code < 0 ? FORK_EXIT_FAILED : code);
}

int fork_call_start(fork_fn *fn, void *data, struct fork_call *ret, struct error *err)
{
	pid_t parent = getpid();
	int fds[2];
	pid_t pid;

	if (fd_pipe(fds, err) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		error_errno(err, errno, "fork");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid == 0) {
		close(fds[0]);
		run_child(fn, data, parent, fds[1]);
	}
	close(fds[1]);
	*ret = (struct fork_call){.pid = pid, .result = fds[0]};
	return 0;
}

static int reap(struct fork_call *call, int *status, struct error *err)
{
	pid_t pid = call->pid;

	call->pid = -1;
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "wait for a worker process");
	return 0;
}

int fork_call_wait(struct fork_call *call, struct error *err)
{
	cleanup(strbuf_release) struct strbuf result = STRBUF_INIT;
	cleanup_close int fd = take_fd(call->result);
	int status = 0;
	int read_result = fd_read_to_end(fd, &result, FORK_RESULT_MAX, err);

	if (reap(call, &status, err) < 0 || read_result < 0)
		return -1;
	if (WIFSIGNALED(status))
		return error_set(err, EINTR, "a worker process was killed by signal %d",
		                 WTERMSIG(status));
	if (WEXITSTATUS(status) != FORK_EXIT_FAILED)
		return WEXITSTATUS(status);
	return receive_error(&result, err);
}

void fork_call_kill(struct fork_call *call)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int status;

	if (call->pid < 0)
		return;
	kill(call->pid, SIGKILL);
	close_fd(&call->result);
	call->result = -1;
	reap(call, &status, &ignored);
}
