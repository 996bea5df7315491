#include "net/acceptor.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define ACCEPTS_PER_WAKEUP 16
#define RETRY_MS           200
#define RESERVED           16 /* descriptors that connections do not get */

struct acceptor {
	int fd;
	struct loop_source *source;
	struct loop_source *retry; /* armed while descriptors are out */
	bool is_paused, is_out_of_fds;
	acceptor_fn *fn;
	void *data;
	bool *freed; /* set when freed inside its callback */
};

static void update_interest(struct acceptor *acceptor)
{
	bool wants = !acceptor->is_paused && !acceptor->is_out_of_fds;

	loop_fd_set_events(acceptor->source, wants ? LOOP_READ : 0);
}

/* Whether `fd`, the lowest that was free, is one of the last. */
static bool is_one_of_the_last(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * RESERVED &&
	       (rlim_t)fd >= limit.rlim_cur - RESERVED;
}

static bool is_short_of_fds(const struct acceptor *acceptor)
{
	cleanup_close int fd = fcntl(acceptor->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 || is_one_of_the_last(fd);
}

static void pause_for_fds(struct acceptor *acceptor)
{
	acceptor->is_out_of_fds = true;
	loop_timer_set(acceptor->retry, RETRY_MS);
}

static void on_retry(struct loop_source *source, void *data)
{
	struct acceptor *acceptor = data;

	acceptor->is_out_of_fds = false;
	if (is_short_of_fds(acceptor))
		pause_for_fds(acceptor);
	update_interest(acceptor);
}

static void on_ready(struct loop_source *source, int listen_fd, uint32_t events, void *data)
{
	struct acceptor *acceptor = data;
	bool freed = false;

	acceptor->freed = &freed;
	for (int i = 0; i < ACCEPTS_PER_WAKEUP && !acceptor->is_paused && !acceptor->is_out_of_fds;
	     i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			if (is_one_of_the_last(fd))
				pause_for_fds(acceptor);
			acceptor->fn(fd, acceptor->data);
			if (freed)
				return;
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_for_fds(acceptor);
			break;
		}
		/* The others are troubles of one connection, which is gone by now. */
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
	}
	acceptor->freed = NULL;
	update_interest(acceptor);
}

struct acceptor *acceptor_new(struct loop *loop, int listen_fd, acceptor_fn *fn, void *data,
                              struct error *err)
{
	cleanup_close int fd = listen_fd;
	struct acceptor *acceptor;
	struct loop_source *source;

	if (fd_set_nonblock(fd, true, err) < 0)
		return NULL;
	acceptor = xcalloc(1, sizeof(*acceptor));
	if (loop_add_fd(loop, fd, LOOP_READ, on_ready, acceptor, &source, err) < 0) {
		free(acceptor);
		return NULL;
	}
	acceptor->source = source;
	acceptor->retry = loop_add_timer(loop, -1, on_retry, acceptor);
	acceptor->fd = take_fd(fd);
	acceptor->fn = fn;
	acceptor->data = data;
	return acceptor;
}

void acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	if (acceptor->freed)
		*acceptor->freed = true;
	loop_source_free(acceptor->source);
	loop_source_free(acceptor->retry);
	close(acceptor->fd);
	free(acceptor);
}

int acceptor_fd(const struct acceptor *acceptor)
{
	return acceptor->fd;
}

void acceptor_look_again(struct acceptor *acceptor)
{
	if (acceptor->is_out_of_fds)
		loop_timer_set(acceptor->retry, 0);
}

void acceptor_pause(struct acceptor *acceptor, bool is_paused)
{
	if (acceptor->is_paused == is_paused)
		return;
	acceptor->is_paused = is_paused;
	update_interest(acceptor);
}
