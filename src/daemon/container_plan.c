#include "daemon/container_plan.h"

#include "api/paths.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "service/plan.h"

int container_runtime(const struct paths *paths, struct strv *argv, struct error *err)
{
	cleanup_free char *shim = paths_libexec("locald-shim", err);
	cleanup_free char *root = paths_runtime_root(paths);

	if (!shim)
		return -1;
	strv_add(argv, shim);
	strv_add(argv, "--root");
	strv_add(argv, root);
	return 0;
}

char *container_id(const char *project, const char *service)
{
	return xasprintf("%s.%s", project, service);
}

void container_launcher(const struct service_config *service, struct strv *argv)
{
	if (!service->build.is_set)
		return;
	strv_add(argv, "/cnb/lifecycle/launcher");
	strv_add(argv, "--");
}

/* "CMD…" becomes "locald-shim … exec ID CMD…". */
static int move_inside(const struct compose_request *request, const struct service_config *service,
                       const char *name, struct strv *argv, struct error *err)
{
	cleanup_free char *id = container_id(request->project_id, name);
	cleanup(strv_release) struct strv inside = STRV_INIT;

	if (argv->len == 0)
		return 0;
	if (container_runtime(request->paths, &inside, err) < 0)
		return -1;
	strv_add(&inside, "exec");
	strv_add(&inside, id);
	container_launcher(service, &inside);
	strv_copy(&inside, argv);
	strv_release(argv);
	*argv = inside;
	inside = (struct strv)STRV_INIT;
	return 0;
}

static void set_default(const struct service_config *service, const char *key, int64_t value,
                        int64_t *field)
{
	if (!service_place_of(service, key))
		*field = value;
}

/* The image's HEALTHCHECK, where the configuration has no check of its own. */
static int take_healthcheck(const json_t *check, const struct service_config *service,
                            struct plan_health *health, struct error *err)
{
	int64_t interval = json_get_int(check, "interval_ms", 0), retries = health->retries;

	if (!check || health->kind != PLAN_HEALTH_DEFAULT)
		return 0;
	if (json_to_strv(json_object_get(check, "argv"), "argv", &health->argv, err) < 0)
		return -1;
	health->kind = PLAN_HEALTH_COMMAND;
	set_default(service, "health_check.interval", interval, &health->interval_ms);
	set_default(service, "health_check.timeout", json_get_int(check, "timeout_ms", 0),
	            &health->timeout_ms);
	set_default(service, "health_check.retries", json_get_int(check, "retries", 0), &retries);
	health->retries = (int)retries;
	/* Docker calls it unhealthy after the retries that follow the period. */
	set_default(service, "health_check.start_period",
	            json_get_int(check, "start_period_ms", 0) + retries * interval,
	            &health->start_period_ms);
	return 0;
}

int container_plan_adapt(const struct compose_request *request,
                         const struct service_config *service, struct service_plan *plan,
                         struct error *err)
{
	const json_t *defaults = json_object_get(request->image_defaults, service->name);
	int stop_signal = (int)json_get_int(defaults, "stop_signal", 0);

	if (stop_signal > 0 && !service_place_of(service, "stop_signal"))
		plan->stop_signal = stop_signal;
	if (take_healthcheck(json_object_get(defaults, "healthcheck"), service, &plan->health,
	                     err) < 0)
		return -1;
	if (move_inside(request, service, plan->name, &plan->health.argv, err) < 0)
		return -1;
	return move_inside(request, service, plan->name, &plan->stop_argv, err);
}
