#include "service/supervisor_internal.h"

/* Before ready: soon at first, then no more often than a person would notice. */
#define PROBE_FIRST_MS 10
#define PROBE_LAST_MS  250
/* A listener on another port than $PORT is believed in when it has been there so long. */
#define OTHER_PORT_MS 700
/* Looking whether a port is still open costs little, but not nothing. */
#define PASSIVE_MS 5000

static void look(void *data);

static void look_after(struct service *service, int64_t delay_ms)
{
	const struct supervisor_world *world = service->sup->world;

	if (service->probe_timer)
		world->timer_free(take_ptr(service->probe_timer), world->data);
	service->probe_timer = world->timer_add(delay_ms, look, service, world->data);
}

static bool was_ready(const struct service *service)
{
	return service->ready || service->state == SERVICE_UNHEALTHY;
}

static int64_t next_delay(struct service *service)
{
	const struct plan_health *health = &service->plan.health;
	int64_t last = health->interval_ms < PROBE_LAST_MS ? health->interval_ms : PROBE_LAST_MS;

	if (was_ready(service))
		return health->kind == PLAN_HEALTH_DEFAULT && health->interval_ms < PASSIVE_MS
		               ? PASSIVE_MS
		               : health->interval_ms;
	service->probe_delay_ms *= 2;
	if (service->probe_delay_ms > last)
		service->probe_delay_ms = last;
	return service->probe_delay_ms;
}

/* Returns true when the service can be reached, on $PORT or where it really listens. */
static bool take_port(struct service *service, const struct probe_result *result)
{
	const struct supervisor_world *world = service->sup->world;
	int64_t now = world->mono_ms(world->data);

	if (result->verdict == PROBE_OK) {
		service->port = result->port;
		service->is_ipv6_only = result->is_ipv6_only;
		service->other_port = 0;
		free(take_ptr(service->warning));
		return true;
	}
	if (result->verdict != PROBE_OTHER_PORT)
		return false;
	if (result->port != service->other_port) {
		service->other_port = result->port;
		service->other_since_ms = now;
	}
	if (service->port != result->port && now - service->other_since_ms < OTHER_PORT_MS)
		return false;
	service->port = result->port;
	service->is_ipv6_only = result->is_ipv6_only;
	if (!service->warning)
		service->warning =
			xasprintf("%s listens on port %d, not on $PORT (%d); add `port = %d` to "
		                  "[services.%s], or let its command use $PORT",
		                  service->plan.name, result->port, service->plan.port,
		                  result->port, service->plan.name);
	return true;
}

static void answered(struct service *service, int old_port)
{
	service->probe_failures = 0;
	if (!service->ready)
		service_handle(service, EVENT_PROBE_OK);
	else if (service->port != old_port)
		service_changed(service);
}

static void failed(struct service *service, const char *text)
{
	bool is_new = service_set_detail(service, "%s", text);

	if (!was_ready(service)) {
		if (is_new)
			service_changed(service);
		return;
	}
	service->probe_failures++;
	if (service->ready && service->probe_failures >= service->plan.health.retries)
		service_handle(service, EVENT_PROBE_FAILED);
}

static void on_probe(const struct probe_result *result, void *data)
{
	struct service *service = data;
	const struct supervisor_world *world = service->sup->world;
	/* Ours now: the result is in it, and must outlive what the result leads to. */
	struct probe *probe = take_ptr(service->probe);
	int old_port = service->port;

	if (take_port(service, result))
		answered(service, old_port);
	else
		failed(service, result->text ? result->text : "not ready yet");
	world->probe_free(probe, world->data);
	if (service->state == SERVICE_RUNNING || service->state == SERVICE_UNHEALTHY)
		look_after(service, next_delay(service));
}

static void look(void *data)
{
	struct service *service = data;
	const struct supervisor_world *world = service->sup->world;
	struct probe_request request = {
		.plan = &service->plan,
		.port = service->plan.has_port ? service->plan.port : 0,
		.keeper = service->keeper_pid,
		.is_liveness = was_ready(service),
	};

	world->timer_free(take_ptr(service->probe_timer), world->data);
	service->probe = world->probe_start(&request, on_probe, service, world->data);
}

void readiness_begin(struct service *service)
{
	service->probe_delay_ms = PROBE_FIRST_MS;
	service->probe_failures = 0;
	look_after(service, PROBE_FIRST_MS);
}

void readiness_end(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	if (service->probe_timer)
		world->timer_free(take_ptr(service->probe_timer), world->data);
	if (service->probe)
		world->probe_free(take_ptr(service->probe), world->data);
}
