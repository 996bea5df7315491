#include "service/held_ends.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/param.h>
#include <sys/resource.h>

/* A table of descriptors is as long as its highest number, and is copied by each fork. */
#define FIRST_MAX 1024

/* The other half is for clients and visitors. */
static bool are_scarce(const struct held_ends *held)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return true;
	for (size_t i = 0; i < held->count; i++)
		if ((rlim_t)held->fds[i] >= limit.rlim_cur / 2)
			return true;
	return false;
}

/*
 * The soft limit says which numbers are given out, not which may be open: above it are those
 * that nobody else here needs.  It is raised for these only, so children have the user's own.
 */
static bool move_up(struct held_ends *held)
{
	struct rlimit limit, raised;
	size_t moved = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &raised) < 0)
		return false;
	for (; moved < held->count; moved++) {
		int *fd = &held->fds[moved];
		int up = fcntl(*fd, F_DUPFD_CLOEXEC, (int)MIN(limit.rlim_cur, FIRST_MAX));

		if (up < 0)
			break;
		close(*fd);
		*fd = up;
	}
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return moved == held->count;
}

ssize_t held_ends_receive(struct held_ends *held, int sock, void *buf, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct held_ends passed = {.count = 0};
	ssize_t n = fd_receive_message(sock, buf, size, passed.fds, &passed.count, &err);

	if (n < 0) {
		errno = err.code;
		return -1;
	}
	if (passed.count == 0)
		return n;
	if (!move_up(&passed) && are_scarce(&passed))
		held_ends_release(&passed);
	held_ends_release(held);
	*held = passed;
	return n;
}

size_t held_ends_give(const struct held_ends *held, struct child_fd fds[FD_PASS_MAX])
{
	for (size_t i = 0; i < held->count; i++)
		fds[i] = (struct child_fd){.from = held->fds[i], .to = 3 + (int)i};
	return held->count;
}

void held_ends_release(struct held_ends *held)
{
	for (size_t i = 0; i < held->count; i++)
		close(held->fds[i]);
	held->count = 0;
}
