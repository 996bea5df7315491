#include "shim/listener.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "shim/console.h"
#include "shim/plan.h"
#include "shim/state.h"
#include "shim/sync.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHUNK 16384

int listener_init(struct listener *listener, const struct spec_seccomp *seccomp, struct error *err)
{
	*listener = (struct listener){-1, -1, NULL};
	if (!seccomp || !seccomp->listener_path)
		return 0;
	listener->metadata = seccomp->listener_metadata;
	listener->sock = console_connect(seccomp->listener_path, err);
	if (listener->sock < 0) {
		error_wrap(err, "linux.seccomp.listenerPath");
		return error_hint(err, "the agent that answers SCMP_ACT_NOTIFY must listen there");
	}
	listener->message = memfd_create("listener", MFD_CLOEXEC);
	return listener->message < 0 ? error_errno(err, errno, "memfd_create") : 0;
}

void listener_release(struct listener *listener)
{
	close_fd(&listener->sock);
	close_fd(&listener->message);
}

int listener_describe(const struct listener *listener, const struct state *state,
                      const char *status, pid_t pid, struct error *err)
{
	cleanup_json json_t *json = NULL;
	cleanup_free char *text = NULL;

	if (listener->sock < 0)
		return 0;
	json = json_pack("{s:s, s:[s], s:i, s:o}", "ociVersion", SPEC_VERSION, "fds", "seccompFd",
	                 "pid", (int)pid, "state", state_json(state, status));
	if (listener->metadata)
		json_set_str(json, "metadata", listener->metadata);
	text = json_text(json);
	return fd_write_all(listener->message, text, strlen(text), err);
}

/* The descriptor goes with the first bytes. */
static int send_all(const struct listener *listener, int fd, struct error *err)
{
	char chunk[CHUNK];
	bool is_first = true;

	if (lseek(listener->message, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "lseek");
	for (;;) {
		ssize_t len = read(listener->message, chunk, sizeof(chunk));

		if (len < 0)
			return error_errno(err, errno, "read");
		if (len == 0)
			return 0;
		if (fd_send_message(listener->sock, chunk, (size_t)len, &fd, is_first ? 1 : 0,
		                    err) < 0)
			return -1;
		is_first = false;
	}
}

/* The process without the filter; its descriptors are those of the other. */
static no_return void serve(const struct listener *listener, pid_t filtered, int from, int report)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int fd;

	/* Both ends of the pipe are here, so it shows no end. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != filtered ||
	    fd_read_exact(from, &fd, sizeof(fd), &err) < 0)
		_exit(1);
	if (fd < 0)
		_exit(0);
	if (send_all(listener, fd, &err) == 0)
		_exit(0);
	error_wrap(&err, "linux.seccomp.listenerPath: tell the agent");
	sync_send_failure(report, &err);
	/* Without a listener what waits for an answer fails. */
	close(fd);
	_exit(1);
}

int listener_install(const struct plan_exec *exec, int report, struct error *err)
{
	struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	unsigned flags = exec->seccomp->flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
	pid_t self = getpid(), pid;
	int tell[2], fd, code, status = -1;

	if (fd_pipe(tell, err) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		serve(&exec->listener, self, tell[0], report);
	if (pid < 0)
		return error_errno(err, errno, "linux.seccomp: make a process to tell the agent");
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &exec->filter);
	code = errno;
	if (write(tell[1], &fd, sizeof(fd)) != sizeof(fd) || waitpid(pid, &status, 0) < 0)
		return error_errno(err, errno, "linux.seccomp: tell the agent");
	if (fd < 0)
		return error_errno(err, code, "linux.seccomp: install the filter");
	/* Whoever waits knows why. */
	return status ? error_set(err, EIO, "linux.seccomp.listenerPath: tell the agent") : 0;
}
