#include "service/held_ends.h"

#include "base/error.h"

#include <errno.h>
#include <sys/resource.h>

/* The other half is for clients and visitors. */
static bool is_scarce(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd >= limit.rlim_cur / 2;
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
	for (size_t i = 0; i < passed.count; i++) {
		if (!is_scarce(passed.fds[i]))
			continue;
		held_ends_release(&passed);
		break;
	}
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
