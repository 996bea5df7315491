#include "fake_world.h"

struct timer {
	int64_t due_ms;
	uint64_t number;
	timer_fn *fn;
	void *data;
	bool is_wall;
};

struct probe {
	struct fake_world *fake;
	struct probe_request request;
	probe_done_fn *fn;
	void *data;
	struct timer *timer;
};

struct log_match {
	struct fake_world *fake;
	log_match_fn *fn;
	void *data;
	struct timer *timer;
};

static int64_t mono_ms(void *data)
{
	return ((struct fake_world *)data)->now_ms;
}

static int64_t real_ns(void *data)
{
	const struct fake_world *fake = data;

	return (fake->now_ms + fake->clock_ahead_ms) * 1000000;
}

static struct timer *timer_add(int64_t delay_ms, timer_fn *fn, void *fn_data, void *data)
{
	struct fake_world *fake = data;
	struct timer *timer = xcalloc(1, sizeof(*timer));

	*timer = (struct timer){fake->now_ms + delay_ms, ++fake->next_timer, fn, fn_data, false};
	*array_add(&fake->timers) = timer;
	return timer;
}

static struct timer *wall_timer_add(int64_t at_ns, timer_fn *fn, void *fn_data, void *data)
{
	int64_t delay_ms = (at_ns - real_ns(data) + 999999) / 1000000;
	struct timer *timer = timer_add(delay_ms > 0 ? delay_ms : 0, fn, fn_data, data);

	timer->is_wall = true;
	return timer;
}

void fake_set_clock(struct fake_world *fake, int64_t ahead_ms)
{
	fake->clock_ahead_ms += ahead_ms;
	array_foreach(timer, &fake->timers)
		if ((*timer)->is_wall)
			(*timer)->due_ms = fake->now_ms;
}

static void timer_free(struct timer *timer, void *data)
{
	struct fake_world *fake = data;

	array_foreach(at, &fake->timers) {
		if (*at == timer) {
			array_remove(&fake->timers, at);
			break;
		}
	}
	free(timer);
}

struct behaviour *fake_behaviour(struct fake_world *fake, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(fake->behaviours); i++) {
		struct behaviour *behaviour = &fake->behaviours[i];

		if (str_eq(behaviour->name, name))
			return behaviour;
		if (!behaviour->name[0]) {
			*behaviour = (struct behaviour){.exit_after_ms = -1};
			str_copy(behaviour->name, sizeof(behaviour->name), name);
			return behaviour;
		}
	}
	abort();
}

struct keeper *fake_keeper(struct fake_world *fake, const char *name)
{
	array_foreach(keeper, &fake->keepers)
		if (str_eq((*keeper)->name, name))
			return *keeper;
	return NULL;
}

static void drop_timer(struct keeper *keeper, int index)
{
	if (keeper->timers[index])
		timer_free(take_ptr(keeper->timers[index]), keeper->fake);
}

static void tell_running(void *data)
{
	struct keeper *keeper = data;
	struct keeper_status status = {
		.state = KEEPER_RUNNING,
		.pid = 1000 + (int)keeper->run,
		.run = keeper->run,
	};

	drop_timer(keeper, 0);
	keeper->events->on_status(&status, 7, keeper->data);
}

void fake_notify(struct fake_world *fake, const char *name, struct keeper_status status)
{
	struct keeper *keeper = fake_keeper(fake, name);

	status.pid = 1000 + (int)keeper->run;
	status.run = keeper->run;
	keeper->events->on_status(&status, 7, keeper->data);
}

static void tell_gone(void *data)
{
	struct keeper *keeper = data;
	const struct behaviour *behaviour = fake_behaviour(keeper->fake, keeper->name);
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_exit exit = {
		.is_known = !behaviour->is_exit_unknown,
		.never_began = behaviour->never_began,
		.requested = behaviour->is_exit_requested,
		.code = behaviour->exit_signal ? -1 : behaviour->exit_code,
		.signal = behaviour->exit_signal,
		.run_ms = keeper->fake->now_ms - keeper->started_ms,
	};

	drop_timer(keeper, 1);
	if (behaviour->refusal)
		error_set(&err, ERR_FAILED, "%s", behaviour->refusal);
	keeper->events->on_gone(&exit, behaviour->refusal ? &err : NULL, keeper->data);
}

static struct keeper *keeper_make(struct fake_world *fake, const struct keeper_spec *spec,
                                  const struct keeper_events *events, void *events_data)
{
	struct keeper *keeper = xcalloc(1, sizeof(*keeper));

	*keeper = (struct keeper){
		.name = xstrdup(spec->service),
		.run = spec->run,
		.started_ms = fake->now_ms,
		.events = events,
		.data = events_data,
		.fake = fake,
	};
	*array_add(&fake->keepers) = keeper;
	return keeper;
}

static struct keeper *keeper_start(const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *events_data,
                                   void *data, struct error *err)
{
	struct fake_world *fake = data;
	const struct behaviour *behaviour = fake_behaviour(fake, spec->service);
	struct keeper *keeper = keeper_make(fake, spec, events, events_data);

	fake->starts++;
	if (behaviour->refusal) {
		keeper->timers[1] = timer_add(1, tell_gone, keeper, fake);
		return keeper;
	}
	keeper->timers[0] = timer_add(1, tell_running, keeper, fake);
	if (behaviour->exit_after_ms >= 0)
		keeper->timers[1] =
			timer_add(behaviour->exit_after_ms + 1, tell_gone, keeper, fake);
	return keeper;
}

static struct keeper *keeper_adopt(const struct keeper_spec *spec,
                                   const struct keeper_events *events, void *events_data,
                                   void *data)
{
	struct fake_world *fake = data;
	struct keeper *keeper = keeper_make(fake, spec, events, events_data);
	bool is_alive = fake_behaviour(fake, spec->service)->is_alive;

	keeper->timers[is_alive ? 0 : 1] =
		timer_add(0, is_alive ? tell_running : tell_gone, keeper, fake);
	return keeper;
}

static void keeper_command(struct keeper *keeper, enum keeper_op op, void *data)
{
	struct fake_world *fake = data;
	const struct behaviour *behaviour = fake_behaviour(fake, keeper->name);

	fake->last_command = op;
	drop_timer(keeper, 1);
	keeper->timers[1] = timer_add(behaviour->stop_takes_ms, tell_gone, keeper, data);
}

static void keeper_free(struct keeper *keeper, void *data)
{
	struct fake_world *fake = data;

	array_foreach(at, &fake->keepers) {
		if (*at == keeper) {
			array_remove(&fake->keepers, at);
			break;
		}
	}
	drop_timer(keeper, 0);
	drop_timer(keeper, 1);
	free(keeper->name);
	free(keeper);
}

static void probe_free(struct probe *probe, void *data)
{
	if (probe->timer)
		timer_free(probe->timer, data);
	free(probe);
}

static void probe_result(void *data)
{
	struct probe *probe = data;
	struct fake_world *fake = probe->fake;
	const char *name = probe->request.plan->name;
	const struct behaviour *behaviour = fake_behaviour(fake, name);
	struct keeper *keeper = fake_keeper(fake, name);
	struct probe_result result = {
		.verdict = PROBE_NOT_YET,
		.port = probe->request.port,
		.text = "nothing listens on the port",
	};

	if (behaviour->is_held_by_stranger) {
		result.verdict = PROBE_STRANGER;
		result.text = "the port is held by pid 1";
	} else if (behaviour->ready_after_ms >= 0 && keeper &&
	           fake->now_ms - keeper->started_ms >= behaviour->ready_after_ms) {
		result.verdict = behaviour->listens_on ? PROBE_OTHER_PORT : PROBE_OK;
		result.port = behaviour->listens_on ? behaviour->listens_on : result.port;
	}
	probe->fn(&result, probe->data);
}

static struct probe *probe_start(const struct probe_request *request, probe_done_fn *fn,
                                 void *fn_data, void *data)
{
	struct probe *probe = xcalloc(1, sizeof(*probe));

	*probe = (struct probe){.fake = data, .request = *request, .fn = fn, .data = fn_data};
	probe->timer = timer_add(1, probe_result, probe, data);
	return probe;
}

static void tell_match(void *data)
{
	struct log_match *match = data;

	match->fn(NULL, match->data);
}

static struct log_match *log_match_start(const char *log_dir, uint32_t run, const char *pattern,
                                         log_match_fn *fn, void *fn_data, void *data)
{
	struct log_match *match = xcalloc(1, sizeof(*match));
	struct behaviour *behaviour = fake_behaviour(data, strrchr(log_dir, '/') + 1);

	*match = (struct log_match){.fake = data, .fn = fn, .data = fn_data};
	if (behaviour->line_after_ms >= 0)
		match->timer = timer_add(behaviour->line_after_ms, tell_match, match, data);
	return match;
}

static void log_match_free(struct log_match *match, void *data)
{
	if (match->timer)
		timer_free(match->timer, data);
	free(match);
}

static void oom_begin(struct oom_watch *watch, pid_t pid, void *data)
{
}

static bool oom_look(const struct oom_watch *watch, uint64_t *ret_limit, void *data)
{
	const struct fake_world *fake = data;

	*ret_limit = fake->oom_limit;
	return fake->is_out_of_memory;
}

static int port_check(const struct service_plan *plan, void *data, struct error *err)
{
	if (plan->port == ((struct fake_world *)data)->taken_port)
		return error_set(err, ERR_CONFLICT, "port %d is taken by pid 1", plan->port);
	return 0;
}

static void last_lines(const char *log_dir, uint32_t run, size_t max, struct strv *ret, void *data)
{
	strv_add(ret, "the last line");
}

void fake_init(struct fake_world *fake)
{
	*fake = (struct fake_world){.now_ms = 1000};
	fake->world = (struct supervisor_world){
		.data = fake,
		.mono_ms = mono_ms,
		.boot_ms = mono_ms,
		.real_ns = real_ns,
		.timer_add = timer_add,
		.wall_timer_add = wall_timer_add,
		.timer_free = timer_free,
		.keeper_start = keeper_start,
		.keeper_adopt = keeper_adopt,
		.keeper_command = keeper_command,
		.keeper_free = keeper_free,
		.probe_start = probe_start,
		.probe_free = probe_free,
		.log_match_start = log_match_start,
		.log_match_free = log_match_free,
		.port_check = port_check,
		.oom_begin = oom_begin,
		.oom_look = oom_look,
		.last_lines = last_lines,
	};
}

void fake_release(struct fake_world *fake)
{
	array_foreach(timer, &fake->timers)
		free(*timer);
	array_release(&fake->timers);
	array_release(&fake->keepers);
}

static struct timer *first_due(struct fake_world *fake, int64_t until_ms)
{
	struct timer *first = NULL;

	array_foreach(at, &fake->timers) {
		struct timer *timer = *at;

		if (timer->fn && timer->due_ms <= until_ms &&
		    (!first || timer->due_ms < first->due_ms ||
		     (timer->due_ms == first->due_ms && timer->number < first->number)))
			first = timer;
	}
	return first;
}

void fake_run(struct fake_world *fake, int64_t ms)
{
	int64_t until_ms = fake->now_ms + ms;
	struct timer *timer;

	while ((timer = first_due(fake, until_ms))) {
		timer_fn *fn = take_ptr(timer->fn);

		if (timer->due_ms > fake->now_ms)
			fake->now_ms = timer->due_ms;
		fn(timer->data);
	}
	fake->now_ms = until_ms;
}
