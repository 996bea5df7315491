/*
 * loop - the event loop: descriptors, timers, signals and child exits.
 *
 * Made in main() and passed down; the only room that knows epoll.  A source
 * belongs to whoever added it and is freed with loop_source_free(), which takes
 * effect at once and is safe inside the source's own callback or another's.
 * Timers are one-shot; loop_timer_set() arms one again.
 *
 * Signals added here are blocked in the process and come through signalfd;
 * children must unblock them (child_spawn() does).
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/wait.h>

struct error;
struct loop;
struct loop_source;

#define LOOP_READ  EPOLLIN
#define LOOP_WRITE EPOLLOUT

/* events: what happened (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR). */
typedef void loop_fd_fn(struct loop_source *source, int fd, uint32_t events, void *data);
typedef void loop_timer_fn(struct loop_source *source, void *data);
typedef void loop_signal_fn(struct loop_source *source, int signo, void *data);
/* The child has been reaped; `info` is what waitid(2) said. */
typedef void loop_child_fn(struct loop_source *source, const siginfo_t *info, void *data);

struct loop *loop_new(struct error *err);
void loop_free(struct loop *loop);
DEFINE_FREEP(loop)

/* Runs until loop_stop(); returns the code given to it. */
int loop_run(struct loop *loop, struct error *err);
void loop_stop(struct loop *loop, int code);

/* The descriptor stays the caller's. events may be 0: only hang-up and errors are told. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *data,
                struct loop_source **ret, struct error *err);
void loop_fd_set_events(struct loop_source *source, uint32_t events);

/* Fires once after delay_ms (monotonic); delay_ms < 0 makes it unarmed. */
struct loop_source *loop_add_timer(struct loop *loop, int64_t delay_ms, loop_timer_fn *fn,
                                   void *data);
void loop_timer_set(struct loop_source *source, int64_t delay_ms); /* < 0 disarms */

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *data,
                    struct loop_source **ret, struct error *err);

/* Takes the exit of a child of this process; freeing the source leaves the child unreaped. */
int loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *fn, void *data,
                   struct loop_source **ret, struct error *err);
/*
 * Orphans among this process's descendants become its children, and those that no source waits
 * for are reaped.
 */
int loop_reap_orphans(struct loop *loop, struct loop_source **ret, struct error *err);
/* The child's pidfd, for pidfd_send_signal(2); owned by the source. */
int loop_child_pidfd(const struct loop_source *source);

/* NULL is fine. */
void loop_source_free(struct loop_source *source);
static inline void freep_loop_source(struct loop_source **source)
{
	loop_source_free(*source);
}
