#include "base/strbuf.h"
#include "service/supervisor_internal.h"

/* Before ready: soon at first, then no more often than a person would notice. */
#define PROBE_FIRST_MS 10
#define PROBE_LAST_MS  250
/* A listener on another port than $PORT is believed in when it has been there so long. */
#define OTHER_PORT_MS 500
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

/* The service listens there in its own network: connections may come. */
static void open_port(struct service *service, int inside_port)
{
	const struct supervisor *sup = service->sup;

	if (service->inside_port == inside_port)
		return;
	service->inside_port = inside_port;
	sup->events->open_port(service->project->id, &service->plan, inside_port, sup->data);
	service->probe_delay_ms = PROBE_FIRST_MS / 2;
}

/* With the fix as it is to be typed, and where. */
static char *other_port_warning(const struct service *service, int port)
{
	const struct service_plan *plan = &service->plan;
	const char *place = plan->port_place ? plan->port_place : "locald.toml";
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *table = plan->group ? plan->group : plan->name;

	if (plan->has_own_network)
		strbuf_addf(&text,
		            "%s listens on port %d in its container, not on %d; set "
		            "`container_port = %d` in [services.%s]",
		            plan->name, port, plan->inside_port, port, table);
	else
		strbuf_addf(&text,
		            "%s listens on port %d, not on $PORT (%d), and is followed there; ",
		            plan->name, port, plan->port);
	if (!plan->has_own_network && plan->is_port_set)
		strbuf_addf(&text, "set `port = %d`", port);
	else if (!plan->has_own_network)
		strbuf_addf(&text, "add `port = %d` to [services.%s]", port, table);
	strbuf_addf(&text, " (%s), or let its command use $PORT", place);
	return strbuf_detach(&text);
}

/* Somewhere else than it was told to, and for long enough to be believed. */
static bool take_other_port(struct service *service, const struct probe_result *result)
{
	const struct supervisor_world *world = service->sup->world;
	int64_t now = world->mono_ms(world->data);
	int found = result->inside_port ? result->inside_port : result->port;
	bool is_known =
		result->inside_port ? service->inside_port == found : service->port == found;

	if (found != service->other_port) {
		service->other_port = found;
		service->other_since_ms = now;
	}
	if (!is_known && now - service->other_since_ms < OTHER_PORT_MS)
		return false;
	if (!service->warning)
		service->warning = other_port_warning(service, found);
	/* Its answer is asked for once it can be. */
	if (!is_known && result->inside_port) {
		open_port(service, found);
		return false;
	}
	service->port = result->port;
	service->is_ipv6_only = result->is_ipv6_only;
	return true;
}

/* Returns true when the service can be reached, on $PORT or where it really listens. */
static bool take_port(struct service *service, const struct probe_result *result)
{
	if (result->verdict == PROBE_UNOPENED)
		open_port(service, result->inside_port);
	if (result->verdict == PROBE_OTHER_PORT)
		return take_other_port(service, result);
	if (result->verdict != PROBE_OK)
		return false;
	service->port = result->port;
	service->is_ipv6_only = result->is_ipv6_only;
	service->other_port = 0;
	service->is_port_stolen = false;
	free(take_ptr(service->warning));
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
	else if (!service->ready && is_new)
		service_changed(service);
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
	else if (result->verdict != PROBE_UNOPENED)
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
		.opened_port = service->inside_port,
		.root = service_root(service),
		.run_mark = service->run_mark,
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
