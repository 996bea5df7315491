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

/* Does the service say itself when it is ready? */
static bool is_told(const struct service *service)
{
	enum plan_health_kind kind = service->plan.health.kind;

	return kind == PLAN_HEALTH_LOG || kind == PLAN_HEALTH_NOTIFY ||
	       (kind == PLAN_HEALTH_DEFAULT && service->is_told_ready);
}

/* Nothing is sent to the service: only whose listener is on its port is looked at. */
static bool is_passive(const struct plan_health *health)
{
	return health->kind == PLAN_HEALTH_DEFAULT || health->kind == PLAN_HEALTH_LOG ||
	       health->kind == PLAN_HEALTH_NOTIFY;
}

static int64_t next_delay(struct service *service)
{
	const struct plan_health *health = &service->plan.health;
	int64_t last = health->interval_ms < PROBE_LAST_MS ? health->interval_ms : PROBE_LAST_MS;

	if (was_ready(service))
		return is_passive(health) && health->interval_ms < PASSIVE_MS ? PASSIVE_MS
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
		service->is_port_stolen = false;
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

/* Without a question there is no time that an answer took. */
static bool asks(const struct service *service)
{
	return service->plan.health.kind == PLAN_HEALTH_HTTP ||
	       service->plan.health.kind == PLAN_HEALTH_COMMAND;
}

static void answered(struct service *service, int old_port)
{
	const struct supervisor_world *world = service->sup->world;
	bool is_waited_for = is_told(service) && !service->is_told_ready;

	service->probe_failures = 0;
	service->probe_ms =
		asks(service) ? (int)(world->mono_ms(world->data) - service->probe_began_ms) : -1;
	if (!service->ready && !is_waited_for)
		service_handle(service, EVENT_PROBE_OK);
	else if (service->port != old_port)
		service_changed(service);
}

static void failed(struct service *service, const struct probe_result *result)
{
	bool is_stranger = result->verdict == PROBE_STRANGER;
	bool is_new = is_stranger != service->is_port_stolen;

	/* What said itself that it is ready need not listen. */
	if (was_ready(service) && is_told(service) && service->port == 0 && !is_stranger)
		return;
	service->is_port_stolen = is_stranger;
	is_new |= service_set_detail(service, "%s", result->text ? result->text : "not ready yet");
	if (!was_ready(service)) {
		if (is_new)
			service_changed(service);
		return;
	}
	/* Nobody is to be sent to a stranger, not even until it has failed often enough. */
	service->probe_failures =
		is_stranger ? service->plan.health.retries : service->probe_failures + 1;
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
		failed(service, result);
	world->probe_free(probe, world->data);
	if ((service->state == SERVICE_RUNNING || service->state == SERVICE_UNHEALTHY) &&
	    !service->end_reason)
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
	service->probe_began_ms = world->mono_ms(world->data);
	service->probe = world->probe_start(&request, on_probe, service, world->data);
}

void readiness_told(struct service *service)
{
	service->is_told_ready = true;
	if (!service->ready)
		service_handle(service, EVENT_PROBE_OK);
}

static void on_match(const struct error *err, void *data)
{
	struct service *service = data;
	const struct supervisor_world *world = service->sup->world;
	struct log_match *match = take_ptr(service->match);

	if (!err)
		readiness_told(service);
	else if (service_set_detail(service, "its log cannot be read: %s", err->text))
		service_changed(service);
	world->log_match_free(match, world->data);
}

static void wait_for_line(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	const struct supervisor_paths *paths = &service->sup->paths;
	cleanup_free char *log_dir =
		paths->log_dir(service->project->id, service->plan.name, paths->data);

	service->match = world->log_match_start(log_dir, service->run, service->plan.health.pattern,
	                                        on_match, service, world->data);
}

void readiness_begin(struct service *service)
{
	const struct plan_health *health = &service->plan.health;

	service->probe_delay_ms = PROBE_FIRST_MS;
	service->probe_failures = 0;
	service->probe_ms = -1;
	if (service->plan.has_port || !is_passive(health))
		look_after(service, PROBE_FIRST_MS);
	if (health->kind == PLAN_HEALTH_LOG && service->is_told_ready)
		readiness_told(service);
	else if (health->kind == PLAN_HEALTH_LOG)
		wait_for_line(service);
}

void readiness_end(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;

	if (service->probe_timer)
		world->timer_free(take_ptr(service->probe_timer), world->data);
	if (service->probe)
		world->probe_free(take_ptr(service->probe), world->data);
	if (service->match)
		world->log_match_free(take_ptr(service->match), world->data);
}
