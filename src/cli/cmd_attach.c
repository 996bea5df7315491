#include "cli/commands.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/keeper_link.h"
#include "keeper/protocol.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#define ESCAPE '\x1c' /* Ctrl-\ */

/* A keeper that was lost has a successor soon. */
#define AGAIN_MS       5000
#define AGAIN_RETRY_MS 50

/* Back from what programs on a whole screen leave behind: mouse, paste, hidden cursor, colours. */
#define SCREEN_RESET                                                                               \
	"\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?1l\033[?25h\033[0m"
#define SCREEN_ENTER "\033[?1049h"
#define SCREEN_LEAVE "\033[?1049l"

enum ending { GOES_ON, DETACHED, ENDED, LOST };

struct attachment {
	struct cli *cli;
	const char *service;
	char *socket;
	int fd, signal_fd;
	struct keeper_status status;
	bool is_writer, is_raw, has_escape, has_screen, is_input_over;
	struct termios before;
};

/* --- the keeper's socket --- */

static void say(struct attachment *at, const struct keeper_packet *packet)
{
	keeper_link_send(at->fd, packet);
}

static int hear(struct attachment *at, char buf[KEEPER_PACKET_MAX], struct keeper_packet *packet,
                struct error *err)
{
	ssize_t n;

	do
		n = recv(at->fd, buf, KEEPER_PACKET_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return error_set(err, ERR_FAILED, "the connection to %s is over", at->service);
	return keeper_packet_decode(buf, (size_t)n, packet, err);
}

static int dial(struct attachment *at, struct error *err)
{
	struct keeper_packet packet;
	char buf[KEEPER_PACKET_MAX];

	at->fd = keeper_link_open(at->socket, at->service, err);
	if (at->fd < 0)
		return -1;
	say(at, &(struct keeper_packet){.op = KEEPER_SUBSCRIBE});
	if (hear(at, buf, &packet, err) < 0)
		return -1;
	if (packet.op != KEEPER_STATUS)
		return error_set(err, ERR_CONFLICT, "%s: %s", at->service, packet.text);
	at->status = packet.status;
	return 0;
}

static void add_size(struct keeper_packet *packet)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		packet->rows = size.ws_row;
		packet->cols = size.ws_col;
	}
}

static void ask(struct attachment *at)
{
	struct keeper_packet packet = {.op = KEEPER_ATTACH, .write = at->is_writer};

	add_size(&packet);
	say(at, &packet);
}

/* --- the terminal --- */

static void note(struct attachment *at, const char *fmt, ...) printf_like(2, 3);

static void note(struct attachment *at, const char *fmt, ...)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(&text, fmt, args);
	va_end(args);
	strbuf_adds(&text, at->is_raw ? "\r\n" : "\n");
	output_note(&at->cli->output, &text);
}

static void greet(struct attachment *at)
{
	const char *how = at->status.tty  ? at->is_writer ? "" : ", to watch only"
	                  : at->is_writer ? ""
	                                  : ", its output only";

	note(at, "attached to %s (pid %d)%s; %s detaches", at->service, (int)at->status.pid, how,
	     at->status.tty ? "Ctrl-\\ d" : "Ctrl-C");
}

static int enter_raw(struct attachment *at, struct error *err)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &at->before) < 0)
		return error_errno(err, errno, "the terminal");
	if (!at->status.tty)
		return 0;
	raw = at->before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return error_errno(err, errno, "the terminal");
	at->is_raw = true;
	return 0;
}

static void restore(struct attachment *at)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (at->is_raw) {
		if (at->has_screen)
			(void)fd_write_all(STDOUT_FILENO, SCREEN_LEAVE, strlen(SCREEN_LEAVE), &err);
		(void)fd_write_all(STDOUT_FILENO, SCREEN_RESET "\r\n", strlen(SCREEN_RESET "\r\n"),
		                   &err);
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &at->before);
	}
	at->is_raw = false;
}

static void release(struct attachment *at)
{
	restore(at);
	close_fd(&at->fd);
	close_fd(&at->signal_fd);
	free(take_ptr(at->socket));
}

static int open_signals(struct attachment *at, struct error *err)
{
	static const int caught[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	at->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return at->signal_fd < 0 ? error_errno(err, errno, "signalfd") : 0;
}

/* --- what happens --- */

static void watch_screen(struct attachment *at, const struct keeper_packet *packet)
{
	if (memmem(packet->data, packet->data_len, SCREEN_ENTER, strlen(SCREEN_ENTER)))
		at->has_screen = true;
	if (memmem(packet->data, packet->data_len, SCREEN_LEAVE, strlen(SCREEN_LEAVE)))
		at->has_screen = false;
}

static enum ending on_packet(struct attachment *at)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet packet;
	char buf[KEEPER_PACKET_MAX];

	if (hear(at, buf, &packet, &err) < 0)
		return LOST;
	if (packet.op == KEEPER_DATA) {
		watch_screen(at, &packet);
		if (fd_write_all(STDOUT_FILENO, packet.data, packet.data_len, &err) < 0)
			return DETACHED;
	} else if (packet.op == KEEPER_STATUS) {
		at->status = packet.status;
		return packet.status.state == KEEPER_EXITED ? ENDED : GOES_ON;
	} else if (packet.op == KEEPER_ERROR && at->is_writer) {
		/* Somebody has the keyboard already. */
		note(at, "%s: watching only", packet.text);
		at->is_writer = false;
		ask(at);
	}
	return GOES_ON;
}

static enum ending on_signal(struct attachment *at)
{
	struct signalfd_siginfo info;
	struct keeper_packet packet = {.op = KEEPER_RESIZE};

	while (read(at->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGWINCH)
			return DETACHED;
		add_size(&packet);
		if (at->is_writer)
			say(at, &packet);
	}
	return GOES_ON;
}

/* Takes `Ctrl-\ d` out; Ctrl-\ twice is one. */
static enum ending filter(struct attachment *at, const char *typed, size_t len, char *out,
                          size_t *ret_len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		bool had_escape = at->has_escape;

		at->has_escape = !had_escape && typed[i] == ESCAPE;
		if (had_escape && (typed[i] == 'd' || typed[i] == 'D'))
			return DETACHED;
		if (had_escape && typed[i] != ESCAPE)
			out[kept++] = ESCAPE;
		if (!at->has_escape)
			out[kept++] = typed[i];
	}
	*ret_len = kept;
	return GOES_ON;
}

static enum ending on_typed(struct attachment *at)
{
	char typed[1024], kept[2 * sizeof(typed)];
	struct keeper_packet packet = {.op = KEEPER_DATA, .data = kept};
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? GOES_ON : DETACHED;
	if (n == 0) {
		at->is_input_over = true;
		return at->status.tty ? DETACHED : GOES_ON;
	}
	if (!at->status.tty) {
		packet.data = typed;
		packet.data_len = (size_t)n;
	} else if (filter(at, typed, (size_t)n, kept, &packet.data_len) == DETACHED) {
		return DETACHED;
	}
	if (at->is_writer && packet.data_len > 0)
		say(at, &packet);
	return GOES_ON;
}

static enum ending turn(struct attachment *at)
{
	bool reads_input = !at->is_input_over && (at->status.tty || at->is_writer);
	struct pollfd fds[] = {
		{.fd = at->signal_fd, .events = POLLIN},
		{.fd = reads_input ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = at->fd, .events = POLLIN},
	};
	enum ending ending = GOES_ON;

	if (poll(fds, ARRAY_LEN(fds), -1) < 0)
		return GOES_ON;
	if (fds[0].revents)
		ending = on_signal(at);
	if (ending == GOES_ON && fds[1].revents)
		ending = on_typed(at);
	if (ending == GOES_ON && fds[2].revents)
		ending = on_packet(at);
	return ending;
}

/* We were too slow for the keeper, or it was lost and another takes its place. */
static enum ending again(struct attachment *at)
{
	int64_t until = clock_mono_ms() + AGAIN_MS;
	struct pollfd signals = {.fd = at->signal_fd, .events = POLLIN};

	do {
		cleanup(error_release) struct error err = ERROR_INIT;

		close_fd(&at->fd);
		at->fd = -1;
		if (dial(at, &err) == 0) {
			ask(at);
			return GOES_ON;
		}
		(void)poll(&signals, 1, AGAIN_RETRY_MS);
		if (signals.revents && on_signal(at) == DETACHED)
			return DETACHED;
	} while (clock_mono_ms() < until);
	return LOST;
}

static int ended(struct attachment *at, struct error *err)
{
	const struct keeper_status *status = &at->status;

	if (status->exit_signal > 0) {
		note(at, "%s was ended by SIG%s", at->service,
		     sigabbrev_np(status->exit_signal) ?: "?");
		return 128 + status->exit_signal;
	}
	if (status->exit_code < 0)
		return error_set(err, ERR_FAILED, "%s has ended, how is not known", at->service);
	note(at, "%s exited with code %d", at->service, status->exit_code);
	return status->exit_code;
}

static int stay(struct attachment *at, struct error *err)
{
	enum ending ending = GOES_ON;

	while (ending == GOES_ON) {
		ending = turn(at);
		if (ending == LOST)
			ending = again(at);
	}
	restore(at);
	if (ending == ENDED)
		return ended(at, err);
	if (ending == LOST)
		return error_set(err, ERR_FAILED, "%s does not answer any more", at->service);
	note(at, "detached; %s goes on", at->service);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	cleanup(release) struct attachment at = {
		.cli = cli, .service = argv[0], .fd = -1, .signal_fd = -1};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		error_set(err, ERR_USAGE, "attach needs a terminal");
		return error_hint(err, "`locald logs -f %s` shows what it writes", argv[0]);
	}
	at.socket = keeper_link_find(cli, at.service, err);
	if (!at.socket || dial(&at, err) < 0 || open_signals(&at, err) < 0)
		return -1;
	if (at.status.state == KEEPER_EXITED)
		return ended(&at, err);
	at.is_writer = at.status.tty || at.status.has_stdin;
	greet(&at);
	if (enter_raw(&at, err) < 0)
		return -1;
	ask(&at);
	return stay(&at, err);
}

static const char *const examples[] = {"locald attach console",
                                       "use the terminal of console; Ctrl-\\ d leaves it", NULL};

const struct command cmd_attach = {
	.name = "attach",
	.summary = "Use the terminal of a service",
	.usage = "SERVICE",
	.about = "A service with `tty = true` has a terminal: what is typed goes to it, Ctrl-\\ d "
		 "detaches, and\n"
		 "Ctrl-\\ twice is one Ctrl-\\ for it. Of other services the output is shown, and "
		 "lines go to\n"
		 "their input with `stdin = true`; Ctrl-C detaches. The last 64 KiB come first. "
		 "Several may\n"
		 "watch, one writes. Detaching never stops the service. The exit code is the "
		 "service's, when it ends.",
	.examples = examples,
	.min_args = 1,
	.max_args = 1,
	.needs = NEEDS_PROJECT,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
