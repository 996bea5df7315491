#include "service/world_loop.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/testing.h"
#include "loop/loop.h"
#include "service/keeper_client.h"
#include "service/log_reader.h"
#include "service/port_pool.h"

#include <sys/timerfd.h>

struct timer {
	struct loop_source *source;
	int fd; /* of a wall timer; -1 */
	timer_fn *fn;
	void *data;
};

static int64_t mono_ms(void *data)
{
	return clock_mono_ms() * testing_timescale();
}

static int64_t boot_ms(void *data)
{
	return clock_boot_ns() / 1000000;
}

static int64_t real_ns(void *data)
{
	return clock_real_ns();
}

static void on_timer(struct loop_source *source, void *data)
{
	const struct timer *timer = data;

	timer->fn(timer->data);
}

static struct timer *timer_add(int64_t delay_ms, timer_fn *fn, void *fn_data, void *data)
{
	const struct world_loop *self = data;
	struct timer *timer = xcalloc(1, sizeof(*timer));

	timer->fd = -1;
	timer->fn = fn;
	timer->data = fn_data;
	timer->source = loop_add_timer(self->loop, delay_ms / testing_timescale(), on_timer, timer);
	return timer;
}

static void on_wall_timer(struct loop_source *source, int fd, uint32_t events, void *data)
{
	const struct timer *timer = data;
	uint64_t count;

	/* ECANCELED says that the clock was set; either way it is time to look. */
	(void)!read(fd, &count, sizeof(count));
	timer->fn(timer->data);
}

#define WALL_POLL_MS 1000

static struct timer *wall_timer_add(int64_t real_ns, timer_fn *fn, void *fn_data, void *data)
{
	const struct world_loop *self = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct timer *timer = xcalloc(1, sizeof(*timer));
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(real_ns / 1000000000),
	                                       .tv_nsec = (long)(real_ns % 1000000000)}};

	timer->fn = fn;
	timer->data = fn_data;
	timer->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer->fd >= 0 &&
	    timerfd_settime(timer->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) ==
	            0 &&
	    loop_add_fd(self->loop, timer->fd, LOOP_READ, on_wall_timer, timer, &timer->source,
	                &err) == 0)
		return timer;
	/* No descriptor to be had: whoever asks looks again soon. */
	close_fd(&timer->fd);
	timer->fd = -1;
	timer->source = loop_add_timer(self->loop, WALL_POLL_MS, on_timer, timer);
	return timer;
}

static void timer_free(struct timer *timer, void *data)
{
	loop_source_free(timer->source);
	close_fd(&timer->fd);
	free(timer);
}

static struct keeper *keeper_start(const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *events_data,
                                   void *data, struct error *err)
{
	const struct world_loop *self = data;

	return keeper_client_start(self->loop, self->keeper_path, spec, events, events_data, err);
}

static struct keeper *keeper_adopt(const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *events_data,
                                   void *data)
{
	const struct world_loop *self = data;

	return keeper_client_adopt(self->loop, self->keeper_path, spec, events, events_data);
}

static void keeper_command(struct keeper *keeper, enum keeper_op op, void *data)
{
	keeper_client_command(keeper, op);
}

static void keeper_free(struct keeper *keeper, void *data)
{
	keeper_client_free(keeper);
}

static struct probe *probe_start(const struct probe_request *request, probe_done_fn *fn,
                                 void *fn_data, void *data)
{
	struct world_loop *self = data;

	return probe_new(self->loop, &self->cache, request, fn, fn_data);
}

static void free_probe(struct probe *probe, void *data)
{
	probe_free(probe);
}

static struct log_match *log_match_start(const char *log_dir, uint32_t run, const char *pattern,
                                         log_match_fn *fn, void *fn_data, void *data)
{
	struct world_loop *self = data;

	self->matcher.loop = self->loop;
	return log_match_new(&self->matcher, log_dir, run, pattern, fn, fn_data);
}

static void free_log_match(struct log_match *match, void *data)
{
	log_match_free(match);
}

/* The relay may still have it for the run before, and hands it over. */
static bool is_handed_over(const struct world_loop *self, const struct service_plan *plan,
                           const struct port_holder *holder)
{
	return plan->has_own_network && self->relay_pid && holder->pid > 0 &&
	       holder->pid == self->relay_pid(self->relay_data);
}

static int port_check(const struct service_plan *plan, void *data, struct error *err)
{
	const struct world_loop *self = data;
	int port = plan->port;
	struct port_holder holder;
	cleanup_free char *who = NULL;

	if (port_probe_loopback(port, NULL))
		return 0;
	/* What is bound and does not listen is the relay's, or the relay will say so. */
	if (!port_holder_find(port, &holder))
		return plan->has_own_network
		               ? 0
		               : error_set(err, ERR_CONFLICT, "port %d cannot be used", port);
	if (is_handed_over(self, plan, &holder)) {
		port_holder_release(&holder);
		return 0;
	}
	who = port_holder_text(&holder);
	error_set(err, ERR_CONFLICT, "port %d is held by %s", port, who);
	if (holder.managed)
		error_hint(err, "stop %s", holder.managed);
	else if (holder.pid > 0)
		error_hint(err, "stop pid %d", (int)holder.pid);
	else
		error_hint(err, "stop what holds it");
	port_holder_release(&holder);
	return -1;
}

static void oom_begin(struct oom_watch *watch, pid_t pid, void *data)
{
	oom_watch_begin(watch, pid);
}

static bool oom_look(const struct oom_watch *watch, uint64_t *ret_limit, void *data)
{
	if (!oom_watch_look(watch))
		return false;
	*ret_limit = oom_watch_limit(watch);
	return true;
}

static void last_lines(const char *log_dir, uint32_t run, size_t max, struct strv *ret, void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	/* A crash is told with or without them. */
	(void)log_last_lines(log_dir, run, max, ret, &err);
}

struct supervisor_world world_loop_make(struct world_loop *self)
{
	return (struct supervisor_world){
		.data = self,
		.mono_ms = mono_ms,
		.boot_ms = boot_ms,
		.real_ns = real_ns,
		.timer_add = timer_add,
		.wall_timer_add = wall_timer_add,
		.timer_free = timer_free,
		.keeper_start = keeper_start,
		.keeper_adopt = keeper_adopt,
		.keeper_command = keeper_command,
		.keeper_free = keeper_free,
		.probe_start = probe_start,
		.probe_free = free_probe,
		.log_match_start = log_match_start,
		.log_match_free = free_log_match,
		.port_check = port_check,
		.oom_begin = oom_begin,
		.oom_look = oom_look,
		.last_lines = last_lines,
	};
}

void world_loop_release(struct world_loop *self)
{
	listener_cache_release(&self->cache);
}
