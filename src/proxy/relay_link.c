#include "proxy/relay_link.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define PIPE_SIZE  (256 * 1024)
#define ROUNDS_MAX 16 /* of one link, before the others have their turn */

/* From one end to the other. */
struct flow {
	struct relay_pipe pipe; /* both -1 while nothing is held */
	size_t held;
	bool is_at_eof;
	bool is_over; /* all is passed on and the end was told, or there is nobody to tell */
};

struct relay_link {
	struct relay_links *links;
	struct relay_link *next, **link;
	int fds[2]; /* outside, inside */
	struct loop_source *sources[2];
	struct flow flows[2]; /* flows[i] is from fds[i] */
	uint64_t owner;       /* 0: has ended */
};

void relay_reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* --- pipes --- */

static void close_pipe(struct relay_pipe *pipe)
{
	close_fd(&pipe->out);
	close_fd(&pipe->in);
	pipe->out = pipe->in = -1;
}

static int take_pipe(struct relay_links *links, struct relay_pipe *ret)
{
	int fds[2];

	if (links->free_count > 0) {
		*ret = links->free_pipes[--links->free_count];
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	/* A smaller one is only slower. */
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
	*ret = (struct relay_pipe){.out = fds[0], .in = fds[1]};
	return 0;
}

/* An empty one serves the next; one with bytes in it must not. */
static void give_pipe(struct relay_links *links, struct flow *flow)
{
	if (flow->pipe.out < 0)
		return;
	if (flow->held > 0 ||
	    links->free_count == sizeof(links->free_pipes) / sizeof(links->free_pipes[0]))
		close_pipe(&flow->pipe);
	else
		links->free_pipes[links->free_count++] = flow->pipe;
	flow->pipe = (struct relay_pipe){-1, -1};
	flow->held = 0;
}

/* --- the end --- */

static void end(struct relay_link *link, bool is_reset)
{
	struct relay_links *links = link->links;

	*link->link = link->next;
	if (link->next)
		link->next->link = link->link;
	links->count--;
	for (int i = 0; i < 2; i++) {
		loop_source_free(link->sources[i]);
		give_pipe(links, &link->flows[i]);
		if (is_reset)
			relay_reset(link->fds[i]);
		else
			close(link->fds[i]);
	}
	free(link);
	links->on_end(links, links->data);
}

/* --- moving --- */

enum moved { MOVED_ALL, MOVED_SOME, MOVED_BROKEN };

static enum moved fill(struct relay_link *link, int i)
{
	struct flow *flow = &link->flows[i];
	ssize_t n;

	if (flow->pipe.out < 0 && take_pipe(link->links, &flow->pipe) < 0)
		return MOVED_BROKEN;
	n = splice(link->fds[i], NULL, flow->pipe.in, NULL, PIPE_SIZE,
	           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		flow->held = (size_t)n;
		return MOVED_ALL;
	}
	give_pipe(link->links, flow);
	if (n == 0)
		flow->is_at_eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		return MOVED_BROKEN;
	return MOVED_SOME;
}

static enum moved drain(struct relay_link *link, int i)
{
	struct flow *flow = &link->flows[i];
	ssize_t n;

	while (flow->held > 0) {
		n = splice(flow->pipe.out, NULL, link->fds[!i], NULL, flow->held,
		           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n > 0)
			flow->held -= (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return MOVED_SOME;
		else if (n == 0 || errno != EINTR)
			return MOVED_BROKEN;
	}
	give_pipe(link->links, flow);
	return MOVED_ALL;
}

/* Nobody reads at the other end any more: what still comes is not wanted. */
static void abandon(struct relay_link *link, int i)
{
	give_pipe(link->links, &link->flows[i]);
	link->flows[i].is_at_eof = link->flows[i].is_over = true;
}

/* -1: a reset came from fds[i]. */
static int pump(struct relay_link *link, int i)
{
	struct flow *flow = &link->flows[i];

	for (int round = 0; round < ROUNDS_MAX && !flow->is_over; round++) {
		enum moved moved = drain(link, i);

		if (moved == MOVED_BROKEN)
			abandon(link, i);
		if (moved != MOVED_ALL)
			return 0;
		if (flow->is_at_eof) {
			shutdown(link->fds[!i], SHUT_WR);
			flow->is_over = true;
			return 0;
		}
		moved = fill(link, i);
		if (moved == MOVED_BROKEN)
			return -1;
		if (moved == MOVED_SOME && !flow->is_at_eof)
			return 0;
	}
	return 0;
}

static uint32_t interest(const struct relay_link *link, int i)
{
	const struct flow *from = &link->flows[i], *to = &link->flows[!i];
	uint32_t events = 0;

	if (!from->is_at_eof && from->held == 0)
		events |= LOOP_READ;
	if (to->held > 0)
		events |= LOOP_WRITE;
	return events;
}

static void on_ready(struct loop_source *source, int fd, uint32_t events, void *data);

/*
 * An end of which nothing is wanted now is not watched at all: its hang-up would be told
 * without end.
 */
static int watch(struct relay_link *link)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	for (int i = 0; i < 2; i++) {
		uint32_t events = interest(link, i);

		if (!events) {
			loop_source_free(take_ptr(link->sources[i]));
		} else if (link->sources[i]) {
			loop_fd_set_events(link->sources[i], events);
		} else if (loop_add_fd(link->links->loop, link->fds[i], events, on_ready, link,
		                       &link->sources[i], &err) < 0) {
			log_warn("relay: %s", err.text);
			return -1;
		}
	}
	return 0;
}

static void move(struct relay_link *link)
{
	bool is_done;

	if (pump(link, 0) < 0 || pump(link, 1) < 0) {
		end(link, true);
		return;
	}
	is_done = link->flows[1].is_over && (link->flows[0].is_over || !link->owner);
	if (is_done)
		end(link, false);
	else if (watch(link) < 0)
		end(link, true);
}

static void on_ready(struct loop_source *source, int fd, uint32_t events, void *data)
{
	move(data);
}

/* --- all of them --- */

void relay_link_start(struct relay_links *links, int outside, int inside, uint64_t owner)
{
	struct relay_link *link = xcalloc(1, sizeof(*link));

	*link = (struct relay_link){
		.links = links,
		.next = links->first,
		.link = &links->first,
		.fds = {outside, inside},
		.flows = {{.pipe = {-1, -1}}, {.pipe = {-1, -1}}},
		.owner = owner,
	};
	if (link->next)
		link->next->link = &link->next;
	links->first = link;
	links->count++;
	move(link);
}

void relay_links_orphan(struct relay_links *links, uint64_t owner)
{
	for (struct relay_link *link = links->first, *next; link; link = next) {
		next = link->next;
		if (link->owner != owner)
			continue;
		link->owner = 0;
		if (link->flows[1].is_over)
			end(link, false);
	}
}

void relay_links_release(struct relay_links *links)
{
	while (links->first)
		end(links->first, true);
	while (links->free_count > 0)
		close_pipe(&links->free_pipes[--links->free_count]);
}
