#include "shim/container.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#define CHUNK 16384

/* Our terminal as it was, to be put back. */
struct raw_mode {
	bool is_set;
	struct termios before;
};

/* Bytes on their way from one descriptor to another. */
struct relay {
	int from, to;
	char buf[CHUNK];
	size_t start, len;
	bool is_ended;
};

/* Faults of our own stay our own. */
static void signals_of_supervisor(sigset_t *set)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(set, faults[i]);
}

static bool is_forwarded(int signo)
{
	return signo != SIGCHLD && signo != SIGPIPE;
}

void supervise_block_signals(void)
{
	sigset_t set;

	signals_of_supervisor(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static void leave_raw_mode(struct raw_mode *mode)
{
	if (mode->is_set)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &mode->before);
}

static void enter_raw_mode(struct raw_mode *mode)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &mode->before) < 0)
		return; /* not a terminal: bytes are relayed as they are */
	raw = mode->before;
	cfmakeraw(&raw);
	mode->is_set = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void read_some(struct relay *relay)
{
	ssize_t n = read(relay->from, relay->buf, sizeof(relay->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A terminal whose other side is closed reads as EIO. */
	if (n <= 0)
		relay->is_ended = true;
	relay->start = 0;
	relay->len = n > 0 ? (size_t)n : 0;
}

static void write_some(struct relay *relay)
{
	ssize_t n = write(relay->to, relay->buf + relay->start, relay->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		relay->is_ended = true;
		relay->len = 0;
		return;
	}
	relay->start += (size_t)n;
	relay->len -= (size_t)n;
}

/* One direction: waits to write what it holds, else to read more. */
static struct pollfd relay_poll(const struct relay *relay)
{
	if (relay->len > 0)
		return (struct pollfd){.fd = relay->to, .events = POLLOUT};
	return (struct pollfd){.fd = relay->is_ended ? -1 : relay->from, .events = POLLIN};
}

static void relay_move(struct relay *relay, const struct pollfd *polled)
{
	if (!polled->revents)
		return;
	if (relay->len > 0)
		write_some(relay);
	else
		read_some(relay);
}

static void forward_signal(int signals, int pidfd, int terminal)
{
	struct signalfd_siginfo info;
	struct winsize size;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH && terminal >= 0) {
		if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
			ioctl(terminal, TIOCSWINSZ, &size);
		return;
	}
	/* A process that has just ended cannot be told; its exit comes next. */
	if (is_forwarded((int)info.ssi_signo))
		pidfd_send_signal(pidfd, (int)info.ssi_signo, NULL, 0);
}

static int exit_status(pid_t pid, struct error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "wait for the container");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the program wrote last is still in the terminal. */
static void drain(struct relay *output)
{
	while (!output->is_ended || output->len > 0) {
		struct pollfd polled = relay_poll(output);

		if (poll(&polled, 1, 0) <= 0)
			return;
		relay_move(output, &polled);
	}
}

int supervise(int pidfd, pid_t pid, int terminal, struct error *err)
{
	cleanup(leave_raw_mode) struct raw_mode mode = {false};
	struct relay input = {.from = STDIN_FILENO, .to = terminal, .is_ended = terminal < 0};
	struct relay output = {.from = terminal, .to = STDOUT_FILENO, .is_ended = terminal < 0};
	cleanup_close int signals = -1;
	sigset_t set;

	signals_of_supervisor(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_errno(err, errno, "signalfd");
	if (terminal >= 0) {
		enter_raw_mode(&mode);
		if (fd_set_nonblock(terminal, true, err) < 0)
			return -1;
	}
	for (;;) {
		struct pollfd polled[] = {{.fd = pidfd, .events = POLLIN},
		                          {.fd = signals, .events = POLLIN},
		                          relay_poll(&input),
		                          relay_poll(&output)};

		if (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno != EINTR)
			return error_errno(err, errno, "poll");
		relay_move(&input, &polled[2]);
		relay_move(&output, &polled[3]);
		if (polled[1].revents)
			forward_signal(signals, pidfd, terminal);
		if (polled[0].revents) {
			drain(&output);
			return exit_status(pid, err);
		}
	}
}
