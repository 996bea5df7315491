#include "base/cron.h"
#include "service/supervisor_internal.h"

#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)
#define DAY_NS    (24 * 3600 * NS_PER_S)

static int64_t mono_ms(const struct service *service)
{
	return service->sup->world->mono_ms(service->sup->world->data);
}

static int64_t real_ns(const struct service *service)
{
	return service->sup->world->real_ns(service->sup->world->data);
}

static void clear_timer(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	if (service->due)
		world->timer_free(take_ptr(service->due), world->data);
}

void schedule_disarm(struct service *service)
{
	clear_timer(service);
	service->due_at_ms = service->due_real_ns = 0;
}

/* Due: the next time is set before this one is used, so that none is lost. */
static void on_every(void *data)
{
	struct service *service = data;

	clear_timer(service);
	schedule_arm(service);
	service_handle(service, EVENT_DUE);
}

static void arm_every(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	int64_t now = mono_ms(service), every = service->plan.every_ms;

	/* In step with the first run; what was slept through is not made up for. */
	if (service->due_at_ms == 0)
		service->due_at_ms = now + every;
	else if (service->due_at_ms <= now)
		service->due_at_ms += ((now - service->due_at_ms) / every + 1) * every;
	service->due_real_ns = real_ns(service) + (service->due_at_ms - now) * NS_PER_MS;
	service->due = world->timer_add(service->due_at_ms - now, on_every, service, world->data);
}

/* It is time, or the clock was set: then the next run is another one. */
static void on_wall(void *data)
{
	struct service *service = data;
	int64_t due = service->due_real_ns;

	schedule_disarm(service);
	schedule_arm(service);
	if (real_ns(service) >= due)
		service_handle(service, EVENT_DUE);
	else
		service_changed(service);
}

static void arm_schedule(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct cron cron;
	int64_t next = -1;

	/* The configuration was checked; what it is not is not due. */
	if (cron_parse(service->plan.schedule, &cron, &err) == 0)
		next = cron_next(&cron, real_ns(service) / NS_PER_S);
	if (next < 0)
		return;
	service->due_real_ns = next * NS_PER_S;
	service->due = world->wall_timer_add(service->due_real_ns, on_wall, service, world->data);
}

void schedule_arm(struct service *service)
{
	if (service->due)
		return;
	if (service->plan.every_ms > 0)
		arm_every(service);
	else if (service->plan.schedule)
		arm_schedule(service);
}

char *schedule_text(const struct service *service)
{
	time_t due = (time_t)(service->due_real_ns / NS_PER_S);
	bool is_soon = service->due_real_ns - real_ns(service) < DAY_NS;
	char text[64];
	struct tm tm;

	if (service->due_real_ns == 0)
		return NULL;
	localtime_r(&due, &tm);
	strftime(text, sizeof(text), is_soon ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &tm);
	return xasprintf("next run at %s", text);
}
