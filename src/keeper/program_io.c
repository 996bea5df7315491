#include "keeper/program_io.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "keeper/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define DEFAULT_ROWS 24
#define DEFAULT_COLS 80
#define FIRST_PASSED 3
#define RELAY_SIZE   (64 * 1024)

static const enum log_stream streams[] = {LOG_OUT, LOG_ERR};

static void set_capture(struct program_io *io, int i, int fd)
{
	io->captures[i] =
		(struct capture){.fd = fd, .stream = streams[i], .spool = &io->spool, .number = i};
}

bool program_io_pull(struct program_io *io)
{
	ssize_t n;

	if (io->relay < 0 || io->is_hung_up)
		return false;
	/* One step for a SIGKILL: either of the two has it. */
	n = splice(io->input, NULL, io->relay, NULL, RELAY_SIZE, SPLICE_F_NONBLOCK);
	io->is_hung_up = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	return n > 0;
}

/* Older kernels cannot splice terminals: these are read, and a SIGKILL may lose that read. */
static int open_relay(struct program_io *io, struct error *err)
{
	cleanup_close int read_end = -1, write_end = -1;
	int fds[2];

	if (fd_pipe(fds, err) < 0)
		return -1;
	read_end = fds[0];
	write_end = fds[1];
	if (fd_set_nonblock(read_end, true, err) < 0 || fd_set_nonblock(write_end, true, err) < 0)
		return -1;
	if (splice(io->input, NULL, write_end, NULL, 1, SPLICE_F_NONBLOCK) < 0 && errno != EAGAIN) {
		set_capture(io, 0, io->input);
		return 0;
	}
	set_capture(io, 0, take_fd(read_end));
	io->relay = take_fd(write_end);
	return 0;
}

static int open_terminal(struct program_io *io, struct error *err)
{
	cleanup_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "make a terminal");
	io->program_ends[0] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (io->program_ends[0] < 0)
		return error_errno(err, errno, "open the terminal");
	io->program_ends[1] = fcntl(io->program_ends[0], F_DUPFD_CLOEXEC, 0);
	io->program_input = fcntl(io->program_ends[0], F_DUPFD_CLOEXEC, 0);
	if (io->program_ends[1] < 0 || io->program_input < 0)
		return error_errno(err, errno, "open the terminal");
	io->is_tty = true;
	io->input = take_fd(master);
	if (open_relay(io, err) < 0)
		return -1;
	program_io_resize(io, DEFAULT_ROWS, DEFAULT_COLS);
	return 0;
}

static int open_output(struct program_io *io, int i, struct error *err)
{
	int fds[2];

	if (fd_pipe(fds, err) < 0)
		return -1;
	set_capture(io, i, fds[0]);
	io->program_ends[i] = fds[1];
	return fd_set_nonblock(fds[0], true, err);
}

static int open_input(struct program_io *io, struct error *err)
{
	int fds[2];

	if (fd_pipe(fds, err) < 0)
		return -1;
	io->program_input = fds[0];
	io->input = fds[1];
	return fd_set_nonblock(fds[1], true, err);
}

int program_io_open(struct program_io *io, const struct keeper_spec *spec, struct error *err)
{
	if (spool_open(&io->spool, err) < 0)
		return -1;
	if (spec->tty)
		return open_terminal(io, err);
	if (open_output(io, 0, err) < 0 || open_output(io, 1, err) < 0)
		return -1;
	return spec->has_stdin ? open_input(io, err) : 0;
}

/* The other end of a pipe, which the one who passed it has, too. */
static int other_end(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC | O_NONBLOCK);
}

static int make_blocking(int fd)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	return fd >= 0 ? fd_set_nonblock(fd, false, &err) : -1;
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool adopt_terminal(struct program_io *io, int fd)
{
	int number;

	if (ioctl(fd, TIOCGPTN, &number) < 0)
		return false;
	io->is_tty = true;
	io->input = fd;
	/* Hung up already when its session is over: then there is nothing to keep open. */
	io->program_ends[0] = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (io->program_ends[0] >= 0) {
		io->program_ends[1] = fcntl(io->program_ends[0], F_DUPFD_CLOEXEC, 0);
		io->program_input = fcntl(io->program_ends[0], F_DUPFD_CLOEXEC, 0);
	}
	return true;
}

static bool adopt_relay(struct program_io *io, int fd)
{
	if (!is_pipe(fd))
		return false;
	set_capture(io, 0, fd);
	io->relay = other_end(fd, O_WRONLY);
	return io->relay >= 0;
}

static bool adopt_tty(struct program_io *io, int count)
{
	if (count == 2)
		return adopt_relay(io, FIRST_PASSED) && adopt_terminal(io, FIRST_PASSED + 1);
	set_capture(io, 0, FIRST_PASSED);
	return count == 1 && adopt_terminal(io, FIRST_PASSED);
}

static bool adopt_pipes(struct program_io *io, int count)
{
	if (count < 2 || count > 3)
		return false;
	for (int i = 0; i < count; i++)
		if (!is_pipe(FIRST_PASSED + i))
			return false;
	for (int i = 0; i < 2; i++) {
		set_capture(io, i, FIRST_PASSED + i);
		io->program_ends[i] = other_end(FIRST_PASSED + i, O_WRONLY);
		(void)make_blocking(io->program_ends[i]);
	}
	if (count == 3) {
		io->input = FIRST_PASSED + 2;
		io->program_input = other_end(io->input, O_RDONLY);
		(void)make_blocking(io->program_input);
	}
	return true;
}

static bool adopt_spool(struct program_io *io, int ends)
{
	int spools[SPOOL_STREAMS] = {FIRST_PASSED + ends, FIRST_PASSED + ends + 1};

	return ends > 0 && spool_adopt(&io->spool, spools);
}

bool program_io_adopt(struct program_io *io, const struct keeper_spec *spec, int count)
{
	int ends = count - SPOOL_STREAMS;

	/* The keeper before may have had no pidfd. */
	if (!adopt_spool(io, ends)) {
		if (!adopt_spool(io, --ends))
			return false;
		io->leader = FIRST_PASSED + count - 1;
	}
	return spec->tty ? adopt_tty(io, ends) : adopt_pipes(io, ends);
}

void program_io_release(struct program_io *io)
{
	if (io->input != io->captures[0].fd)
		close_fd(&io->input);
	close_fd(&io->program_input);
	close_fd(&io->relay);
	close_fd(&io->leader);
	for (int i = 0; i < 2; i++) {
		close_fd(&io->captures[i].fd);
		close_fd(&io->program_ends[i]);
	}
	spool_release(&io->spool);
	free(io->pending);
	*io = (struct program_io)PROGRAM_IO_INIT;
}

size_t program_io_ends(const struct program_io *io, int fds[PROGRAM_ENDS_MAX])
{
	size_t count = 0;

	for (int i = 0; i < 2; i++)
		if (io->captures[i].fd >= 0)
			fds[count++] = io->captures[i].fd;
	if (count > 0 && io->input >= 0 && io->input != io->captures[0].fd)
		fds[count++] = io->input;
	for (int i = 0; count > 0 && i < SPOOL_STREAMS; i++)
		fds[count++] = io->spool.streams[i].fd;
	if (count > 0 && io->leader >= 0)
		fds[count++] = io->leader;
	return count;
}

void program_io_flush(struct program_io *io)
{
	while (program_io_is_pending(io)) {
		ssize_t n = write(io->input, io->pending + io->pending_at,
		                  io->pending_len - io->pending_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* Nobody can read it any more. */
		io->pending_at = n < 0 ? io->pending_len : io->pending_at + (size_t)n;
	}
	io->pending_at = io->pending_len = 0;
}

void program_io_write(struct program_io *io, const char *data, size_t len)
{
	if (!io->pending)
		io->pending = xmalloc(KEEPER_DATA_MAX);
	memcpy(io->pending, data, len);
	io->pending_at = 0;
	io->pending_len = len;
	program_io_flush(io);
}

void program_io_resize(struct program_io *io, int rows, int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	if (io->is_tty && rows > 0 && cols > 0)
		(void)ioctl(io->input, TIOCSWINSZ, &size);
}
