#include "shim/state.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define NAME "start"

/* A path of any length through the directory's descriptor: sun_path has 108 bytes. */
static struct sockaddr_un address(const struct state *state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NAME, state->dir);
	return addr;
}

int state_listen_start(const struct state *state, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(state);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(state->dir, NAME, 0600, 0) < 0 || listen(sock, 1) < 0)
		return error_errno(err, errno, "make the start socket");
	return take_fd(sock);
}

int state_connect_start(const struct state *state, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(state);

	if (sock < 0)
		return error_errno(err, errno, "socket");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, errno, "container `%s` does not wait for its start",
		                   state->id);
	return take_fd(sock);
}

bool state_is_waiting(const struct state *state)
{
	return faccessat(state->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void state_remove_start(const struct state *state)
{
	unlinkat(state->dir, NAME, 0);
}

#define CREATING       "creating"
#define CREATE_WAIT_MS 10000
#define RECHECK_MS     100

/* The configuration is the mark: it has another name until then. */
int state_begin_creating(const struct state *state, const struct spec *spec, struct error *err)
{
	cleanup_close int fd =
		openat(state->dir, CREATING, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, errno, "container `%s`", state->id);
	if (fd_write_all(fd, spec->text, strlen(spec->text), err) < 0)
		return error_wrap(err, "container `%s`", state->id);
	return 0;
}

int state_end_creating(const struct state *state, struct error *err)
{
	/* A `delete --force` may have been here. */
	if (renameat(state->dir, CREATING, state->dir, CONFIG_FILE) < 0 && errno != ENOENT)
		return error_errno(err, errno, "container `%s`", state->id);
	return 0;
}

int state_load_config(const struct state *state, struct spec *spec, struct error *err)
{
	cleanup_free char *path = NULL;
	/* What is not there any more has its last name by now. */
	cleanup_close int fd = openat(state->dir, CREATING, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	path = fd >= 0 ? xasprintf("/proc/self/fd/%d", fd)
	               : xasprintf("/proc/self/fd/%d/" CONFIG_FILE, state->dir);
	return spec_load(spec, path, err);
}

bool state_is_creating(const struct state *state)
{
	return faccessat(state->dir, CREATING, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Without a watch it is looked at now and then. */
static int watch(int dir, uint32_t changes)
{
	cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return fd >= 0 && inotify_add_watch(fd, path, changes) >= 0 ? take_fd(fd) : -1;
}

/* False when the time is over. */
static bool wait_for_change(int changes, int64_t end_ms)
{
	struct pollfd polled = {.fd = changes, .events = POLLIN};
	char events[4096];

	if (clock_mono_ms() >= end_ms)
		return false;
	if (poll(&polled, 1, RECHECK_MS) > 0)
		while (read(changes, events, sizeof(events)) > 0)
			;
	return true;
}

/* The watch is made only to wait: to end one takes the kernel some milliseconds. */
int state_wait_created(const struct state *state, struct error *err)
{
	cleanup_close int changes = -1;
	int64_t end_ms = clock_mono_ms() + CREATE_WAIT_MS;

	if (state_status(state) != CONTAINER_CREATING)
		return 0;
	changes = watch(state->dir, IN_MOVED_FROM | IN_DELETE_SELF);
	while (state_status(state) == CONTAINER_CREATING)
		if (!wait_for_change(changes, end_ms))
			return error_set(err, ERR_TIMEOUT, "container `%s` is still being created",
			                 state->id);
	return 0;
}

int state_wait_load(struct state *state, int root, const char *id, struct error *err)
{
	cleanup_close int changes = -1;
	bool is_watched = false;
	int64_t end_ms = clock_mono_ms() + CREATE_WAIT_MS;

	while (state_load(state, root, id, err) < 0) {
		/* It may have come just before the watch. */
		if (err->code != ENOENT || (is_watched && !wait_for_change(changes, end_ms)))
			return -1;
		if (!is_watched)
			changes = watch(root, IN_CREATE);
		is_watched = true;
		state_release(state);
		error_release(err);
		*err = (struct error)ERROR_INIT;
	}
	return 0;
}
