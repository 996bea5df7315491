#include "loop/loop.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD };

struct loop_source {
	struct loop *loop;
	enum source_kind kind;
	bool is_freed; /* waits in loop->garbage until the current batch of events is over */
	int fd;        /* watched; ours for signals (none of their own) and children (the pidfd) */
	void *data;
	union {
		struct {
			loop_fd_fn *fn;
			uint32_t events;
		} on_fd;
		struct {
			loop_timer_fn *fn;
			int64_t due_ms;   /* monotonic */
			size_t heap_slot; /* 1-based; 0: not armed */
		} on_timer;
		struct {
			loop_signal_fn *fn;
			int signo;
		} on_signal;
		struct {
			loop_child_fn *fn;
			pid_t pid;
		} on_child;
	};
};

struct loop {
	int epoll;
	int signal_fd; /* one for all signals; -1 until the first */
	sigset_t signals;
	bool is_stopped;
	int code;
	bool is_dispatching;
	ARRAY(struct loop_source *) timers; /* binary heap by due_ms */
	ARRAY(struct loop_source *) signal_sources;
	ARRAY(struct loop_source *) child_sources;
	ARRAY(struct loop_source *) garbage;
};

struct loop *loop_new(struct error *err)
{
	struct loop *loop;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0) {
		error_errno(err, errno, "epoll");
		return NULL;
	}
	loop = xcalloc(1, sizeof(*loop));
	loop->epoll = epoll;
	loop->signal_fd = -1;
	sigemptyset(&loop->signals);
	return loop;
}

static void collect_garbage(struct loop *loop)
{
	array_foreach(source, &loop->garbage)
		free(*source);
	loop->garbage.len = 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	collect_garbage(loop);
	array_release(&loop->garbage);
	array_release(&loop->timers);
	array_release(&loop->signal_sources);
	array_release(&loop->child_sources);
	close_fd(&loop->signal_fd);
	close(loop->epoll);
	free(loop);
}

static struct loop_source *source_new(struct loop *loop, enum source_kind kind, int fd, void *data)
{
	struct loop_source *source = xcalloc(1, sizeof(*source));

	source->loop = loop;
	source->kind = kind;
	source->fd = fd;
	source->data = data;
	return source;
}

static int watch(struct loop *loop, int op, int fd, uint32_t events, struct loop_source *source,
                 struct error *err)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (epoll_ctl(loop->epoll, op, fd, &event) < 0)
		return error_errno(err, errno, "watch descriptor %d", fd);
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *data,
                struct loop_source **ret, struct error *err)
{
	struct loop_source *source = source_new(loop, SOURCE_FD, fd, data);

	source->on_fd.fn = fn;
	source->on_fd.events = events;
	if (watch(loop, EPOLL_CTL_ADD, fd, events, source, err) < 0) {
		free(source);
		return -1;
	}
	*ret = source;
	return 0;
}

void loop_fd_set_events(struct loop_source *source, uint32_t events)
{
	/* Without interest a hang-up is told once (edge), or it would be told for ever. */
	struct epoll_event event = {.events = events ? events : EPOLLET, .data.ptr = source};

	if (source->on_fd.events == events)
		return;
	source->on_fd.events = events;
	/* Cannot fail: the descriptor is registered and its owner keeps it open. */
	epoll_ctl(source->loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

/* --- timers: a binary heap; slots are 1-based so that 0 means "not armed" --- */

static struct loop_source **slot(struct loop *loop, size_t i)
{
	return &loop->timers.items[i - 1];
}

static void place(struct loop *loop, size_t i, struct loop_source *source)
{
	*slot(loop, i) = source;
	source->on_timer.heap_slot = i;
}

static void sift_up(struct loop *loop, size_t i, struct loop_source *source)
{
	while (i > 1 && (*slot(loop, i / 2))->on_timer.due_ms > source->on_timer.due_ms) {
		place(loop, i, *slot(loop, i / 2));
		i /= 2;
	}
	place(loop, i, source);
}

static void sift_down(struct loop *loop, size_t i, struct loop_source *source)
{
	size_t len = loop->timers.len;

	for (size_t child = i * 2; child <= len; child = i * 2) {
		if (child < len && (*slot(loop, child + 1))->on_timer.due_ms <
		                           (*slot(loop, child))->on_timer.due_ms)
			child++;
		if ((*slot(loop, child))->on_timer.due_ms >= source->on_timer.due_ms)
			break;
		place(loop, i, *slot(loop, child));
		i = child;
	}
	place(loop, i, source);
}

static void timer_disarm(struct loop_source *source)
{
	struct loop *loop = source->loop;
	size_t i = source->on_timer.heap_slot;
	struct loop_source *last;

	if (i == 0)
		return;
	source->on_timer.heap_slot = 0;
	last = loop->timers.items[--loop->timers.len];
	if (last == source)
		return;
	sift_down(loop, i, last);
	sift_up(loop, last->on_timer.heap_slot, last);
}

void loop_timer_set(struct loop_source *source, int64_t delay_ms)
{
	timer_disarm(source);
	if (delay_ms < 0)
		return;
	source->on_timer.due_ms = clock_mono_ms() + delay_ms;
	*array_add(&source->loop->timers) = source;
	sift_up(source->loop, source->loop->timers.len, source);
}

struct loop_source *loop_add_timer(struct loop *loop, int64_t delay_ms, loop_timer_fn *fn,
                                   void *data)
{
	struct loop_source *source = source_new(loop, SOURCE_TIMER, -1, data);

	source->on_timer.fn = fn;
	loop_timer_set(source, delay_ms);
	return source;
}

static int time_to_next_timer(struct loop *loop)
{
	int64_t left;

	if (loop->timers.len == 0)
		return -1;
	left = (*slot(loop, 1))->on_timer.due_ms - clock_mono_ms();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* Timers armed by a timer's callback wait for the next round: `now` is taken once. */
static void run_timers(struct loop *loop)
{
	int64_t now = clock_mono_ms();

	while (loop->timers.len > 0 && !loop->is_stopped) {
		struct loop_source *source = *slot(loop, 1);

		if (source->on_timer.due_ms > now)
			return;
		timer_disarm(source);
		source->on_timer.fn(source, source->data);
	}
}

/* --- signals --- */

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *data,
                    struct loop_source **ret, struct error *err)
{
	struct loop_source *source;
	sigset_t wanted = loop->signals;
	int fd;

	sigaddset(&wanted, signo);
	fd = signalfd(loop->signal_fd, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "signalfd");
	/* The signalfd itself is known to epoll by a NULL source. */
	if (loop->signal_fd < 0 && watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN, NULL, err) < 0) {
		close(fd);
		return -1;
	}
	loop->signal_fd = fd;
	loop->signals = wanted;
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	source = source_new(loop, SOURCE_SIGNAL, -1, data);
	source->on_signal.fn = fn;
	source->on_signal.signo = signo;
	*array_add(&loop->signal_sources) = source;
	*ret = source;
	return 0;
}

static void run_signals(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		for (size_t i = 0; i < loop->signal_sources.len; i++) {
			struct loop_source *source = loop->signal_sources.items[i];

			if (!source->is_freed && source->on_signal.signo == (int)info.ssi_signo)
				source->on_signal.fn(source, source->on_signal.signo, source->data);
		}
	}
}

/* --- children --- */

int loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *fn, void *data,
                   struct loop_source **ret, struct error *err)
{
	int pidfd = proc_pidfd_open(pid, err);
	struct loop_source *source;

	if (pidfd < 0)
		return -1;
	source = source_new(loop, SOURCE_CHILD, pidfd, data);
	source->on_child.fn = fn;
	source->on_child.pid = pid;
	if (watch(loop, EPOLL_CTL_ADD, pidfd, EPOLLIN, source, err) < 0) {
		close(pidfd);
		free(source);
		return -1;
	}
	*array_add(&loop->child_sources) = source;
	*ret = source;
	return 0;
}

int loop_child_pidfd(const struct loop_source *source)
{
	return source->fd;
}

static void run_child(struct loop_source *source)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)source->on_child.pid, &info, WEXITED | WNOHANG) < 0 ||
	    info.si_pid == 0)
		return;
	epoll_ctl(source->loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->on_child.fn(source, &info, source->data);
}

static struct loop_source *source_of_child(struct loop *loop, pid_t pid)
{
	array_foreach(source, &loop->child_sources)
		if ((*source)->on_child.pid == pid)
			return *source;
	return NULL;
}

/* Looks at each first: what a source waits for is its own. */
static void reap(struct loop_source *signal_source, int signo, void *data)
{
	struct loop *loop = data;

	for (;;) {
		siginfo_t info = {0};
		struct loop_source *source;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		source = source_of_child(loop, info.si_pid);
		if (source)
			run_child(source);
		else
			(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

int loop_reap_orphans(struct loop *loop, struct loop_source **ret, struct error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "become a subreaper");
	return loop_add_signal(loop, SIGCHLD, reap, loop, ret, err);
}

/* --- all of them --- */

static void forget(struct loop_source *source, struct loop_source **sources, size_t *len)
{
	for (size_t i = 0; i < *len; i++) {
		if (sources[i] != source)
			continue;
		sources[i] = sources[--*len];
		return;
	}
}

static void detach(struct loop_source *source)
{
	struct loop *loop = source->loop;

	switch (source->kind) {
	case SOURCE_FD:
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
		break;
	case SOURCE_TIMER:
		timer_disarm(source);
		break;
	case SOURCE_SIGNAL:
		forget(source, loop->signal_sources.items, &loop->signal_sources.len);
		break;
	case SOURCE_CHILD:
		forget(source, loop->child_sources.items, &loop->child_sources.len);
		close(source->fd); /* also leaves epoll: nobody else holds the pidfd */
		break;
	}
}

void loop_source_free(struct loop_source *source)
{
	if (!source || source->is_freed)
		return;
	detach(source);
	source->is_freed = true;
	/* An event for it may be waiting in the batch that is being dispatched. */
	if (source->loop->is_dispatching)
		*array_add(&source->loop->garbage) = source;
	else
		free(source);
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
	struct loop_source *source = event->data.ptr;

	if (!source) {
		run_signals(loop);
		return;
	}
	if (source->is_freed)
		return;
	if (source->kind == SOURCE_CHILD)
		run_child(source);
	else
		source->on_fd.fn(source, source->fd, event->events, source->data);
}

int loop_run(struct loop *loop, struct error *err)
{
	struct epoll_event events[64];

	loop->is_stopped = false;
	while (!loop->is_stopped) {
		int n = epoll_wait(loop->epoll, events, ARRAY_LEN(events),
		                   time_to_next_timer(loop));

		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "epoll_wait");
		loop->is_dispatching = true;
		for (int i = 0; i < n && !loop->is_stopped; i++)
			dispatch(loop, &events[i]);
		run_timers(loop);
		loop->is_dispatching = false;
		collect_garbage(loop);
	}
	return loop->code;
}

void loop_stop(struct loop *loop, int code)
{
	loop->is_stopped = true;
	loop->code = code;
}
