#include "shim/outbound.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "shim/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MEMORY     "outbound" /* in the container's state: "PID START-TICKS" */
#define MEMORY_MAX 64
#define SAID_MAX   65536
#define START_MS   10000
#define END_MS     5000
#define READY_FD   3

static void make_command(const struct state *state, enum outbound_program which, const char *path,
                         struct strv *argv)
{
	strv_add(argv, path);
	if (which == OUTBOUND_PASTA) {
		/* No port of the one is one of the other: those are the relay's. */
		static const char *const options[] = {
			"--config-net", "--quiet", "-t", "none", "-u",          "none",
			"-T",           "none",    "-U", "none", "--no-map-gw", "--dns-forward",
			"169.254.1.1",
		};

		for (size_t i = 0; i < ARRAY_LEN(options); i++)
			strv_add(argv, options[i]);
		/* Nobody, which it would become, may not enter what root owns. */
		if (geteuid() == 0) {
			strv_add(argv, "--runas");
			strv_add(argv, "0");
		}
		strv_addf(argv, "%d", (int)state->pid);
	} else {
		strv_add(argv, "--configure");
		strv_add(argv, "--mtu=65520");
		strv_add(argv, "--disable-host-loopback");
		strv_addf(argv, "--ready-fd=%d", READY_FD);
		strv_addf(argv, "%d", (int)state->pid);
		strv_add(argv, "tap0");
	}
}

static no_return void become(const struct strv *argv, int said, int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	proc_reset_signals();
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
	    dup2(said, STDERR_FILENO) >= 0 &&
	    (ready == READY_FD ? fcntl(ready, F_SETFD, 0) : dup2(ready, READY_FD)) >= 0) {
		fd_close_from(READY_FD + 1);
		execv(argv->items[0], argv->items);
	}
	_exit(127);
}

/* Its last word, without what it says of a missing syslog. */
static void last_word(int said, struct strbuf *word)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *rest = text.buf, *line;

	if (lseek(said, 0, SEEK_SET) < 0 || fd_read_to_end(said, &text, SAID_MAX, &ignored) < 0)
		return;
	rest = text.buf;
	while ((line = strsep(&rest, "\n"))) {
		if (*line == '\0' || str_starts(line, "Failed to send"))
			continue;
		strbuf_reset(word);
		strbuf_adds(word, line);
	}
}

static int failed(const char *path, int said, struct error *err)
{
	cleanup(strbuf_release) struct strbuf word = STRBUF_INIT;

	last_word(said, &word);
	return error_set(err, ERR_FAILED, "%s: %s", path,
	                 word.len > 0 ? word.buf : "ended before the network was there");
}

/*
 * pasta ends when its child in the background is ready; slirp4netns says so on its pipe,
 * which closes when it ends.
 */
static int wait_until_ready(pid_t pid, int ready, enum outbound_program which)
{
	cleanup_close int pidfd = pidfd_open(pid, 0);
	struct pollfd polled = {.fd = which == OUTBOUND_PASTA ? pidfd : ready, .events = POLLIN};
	int n, status;
	char byte;

	do
		n = poll(&polled, 1, START_MS);
	while (n < 0 && errno == EINTR);
	if (n > 0 && which == OUTBOUND_SLIRP4NETNS)
		return read(ready, &byte, 1) == 1 ? 0 : -1;
	if (n > 0 && waitpid(pid, &status, 0) == pid)
		return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
	kill(pid, SIGKILL);
	return -1;
}

/* The only child that we have now. */
static pid_t only_child(void)
{
	cleanup_file FILE *file = NULL;
	char path[64];
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes this number. */
	return file && fscanf(file, "%d", &pid) == 1 ? pid : -1;
}

static int remember(const struct state *state, pid_t pid, struct error *err)
{
	cleanup_close int fd = openat(state->dir, MEMORY,
	                              O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct proc_stat stat;
	char text[MEMORY_MAX];

	if (fd < 0)
		return error_errno(err, errno, "%s", MEMORY);
	if (proc_read_stat(pid, &stat, err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%d %llu\n", (int)pid, (unsigned long long)stat.start_ticks);
	return fd_write_all(fd, text, strlen(text), err);
}

int outbound_start(const struct state *state, enum outbound_program which, const char *path,
                   struct error *err)
{
	cleanup(strv_release) struct strv argv = STRV_INIT;
	cleanup_close int said = memfd_create("said", MFD_CLOEXEC), ready = -1, theirs = -1;
	int pipe[2];
	pid_t pid;

	if (said < 0)
		return error_errno(err, errno, "memfd_create");
	if (fd_pipe(pipe, err) < 0)
		return -1;
	ready = pipe[0];
	theirs = pipe[1];
	/* What goes into the background is our child, until we end. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "PR_SET_CHILD_SUBREAPER");
	make_command(state, which, path, &argv);
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "fork");
	if (pid == 0)
		become(&argv, said, theirs);
	close(take_fd(theirs));
	if (wait_until_ready(pid, ready, which) < 0)
		return failed(path, said, err);
	pid = only_child();
	if (pid < 0)
		return failed(path, said, err);
	if (remember(state, pid, err) == 0)
		return 0;
	kill(pid, SIGKILL);
	return -1;
}

int outbound_end(const struct state *state, struct error *err)
{
	cleanup_close int fd = openat(state->dir, MEMORY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int pidfd = -1;
	char text[MEMORY_MAX] = "";
	unsigned long long ticks;
	struct pollfd gone = {.events = POLLIN};
	struct proc_stat stat;
	int pid;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", MEMORY);
	/* NOLINTNEXTLINE(cert-err34-c): remember() wrote it. */
	if (read(fd, text, sizeof(text) - 1) < 0 || sscanf(text, "%d %llu", &pid, &ticks) != 2)
		return error_set(err, EBADMSG, "%s is broken", MEMORY);
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0 || proc_read_stat(pid, &stat, err) < 0 || stat.start_ticks != ticks) {
		error_release(err);
		*err = (struct error)ERROR_INIT;
		return 0;
	}
	gone.fd = pidfd;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_errno(err, errno, "end process %d", pid);
	if (poll(&gone, 1, END_MS) == 0)
		return error_set(err, ERR_TIMEOUT, "process %d did not end", pid);
	return 0;
}
