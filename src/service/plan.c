#include "service/plan.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <signal.h>

void service_plan_init(struct service_plan *plan, const char *name)
{
	*plan = (struct service_plan){
		.name = xstrdup(name),
		.health = {.interval_ms = 1000,
	                   .timeout_ms = 1000,
	                   .start_period_ms = 30000,
	                   .retries = 3},
		.stop_signal = SIGTERM,
		.stop_timeout_ms = 10000,
		.log_bytes = PLAN_LOG_BYTES,
		.restart = PLAN_RESTART_ON_FAILURE,
	};
}

void service_plan_release(struct service_plan *plan)
{
	free(plan->name);
	free(plan->group);
	free(plan->schedule);
	strv_release(&plan->argv);
	strv_release(&plan->env);
	free(plan->cwd);
	free(plan->port_place);
	array_foreach(dep, &plan->deps)
		free(dep->name);
	array_release(&plan->deps);
	free(plan->health.path);
	free(plan->health.pattern);
	strv_release(&plan->health.argv);
	strv_release(&plan->stop_argv);
	array_release(&plan->success_codes);
	free(plan->fingerprint);
	*plan = (struct service_plan){0};
}

void service_plan_copy(struct service_plan *dst, const struct service_plan *src)
{
	struct service_plan copy = *src;

	copy.name = xstrdup_null(src->name);
	copy.group = xstrdup_null(src->group);
	copy.schedule = xstrdup_null(src->schedule);
	copy.argv = copy.env = copy.stop_argv = copy.health.argv = (struct strv)STRV_INIT;
	strv_copy(&copy.argv, &src->argv);
	strv_copy(&copy.env, &src->env);
	strv_copy(&copy.stop_argv, &src->stop_argv);
	strv_copy(&copy.health.argv, &src->health.argv);
	copy.cwd = xstrdup_null(src->cwd);
	copy.port_place = xstrdup_null(src->port_place);
	copy.health.path = xstrdup_null(src->health.path);
	copy.health.pattern = xstrdup_null(src->health.pattern);
	copy.fingerprint = xstrdup_null(src->fingerprint);
	memset(&copy.deps, 0, sizeof(copy.deps));
	array_foreach(dep, &src->deps)
		*array_add(&copy.deps) = (struct plan_dep){xstrdup(dep->name), dep->condition};
	memset(&copy.success_codes, 0, sizeof(copy.success_codes));
	array_foreach(code, &src->success_codes)
		*array_add(&copy.success_codes) = *code;
	*dst = copy;
}

bool service_plan_is_success(const struct service_plan *plan, int exit_code)
{
	array_foreach(code, &plan->success_codes)
		if (*code == exit_code)
			return true;
	return exit_code == 0;
}

static const struct service_plan *plan_named(const struct service_plan *plans, size_t count,
                                             const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(plans[i].name, name))
			return &plans[i];
	return NULL;
}

enum mark { UNSEEN, ON_PATH, DONE };

struct walk {
	const struct service_plan *plans;
	size_t count;
	enum mark *marks;
	struct strv path;
};

static int cycle_error(const struct walk *walk, const char *name, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t i = 0;

	while (!str_eq(walk->path.items[i], name))
		i++;
	for (; i < walk->path.len; i++)
		strbuf_addf(&text, "%s -> ", walk->path.items[i]);
	return error_set(err, ERR_CONFIG, "services depend on each other: %s%s", text.buf, name);
}

/* Recursion is as deep as the longest chain of dependencies, at most the number of services. */
static int visit(struct walk *walk, size_t index, struct error *err)
{
	const struct service_plan *plan = &walk->plans[index];

	if (walk->marks[index] == DONE)
		return 0;
	if (walk->marks[index] == ON_PATH)
		return cycle_error(walk, plan->name, err);
	walk->marks[index] = ON_PATH;
	strv_add(&walk->path, plan->name);
	array_foreach(dep, &plan->deps) {
		const struct service_plan *on = plan_named(walk->plans, walk->count, dep->name);

		if (!on)
			return error_set(err, ERR_CONFIG, "no such service %s in depends_on of %s",
			                 dep->name, plan->name);
		if (visit(walk, (size_t)(on - walk->plans), err) < 0)
			return -1;
	}
	free(walk->path.items[--walk->path.len]);
	walk->path.items[walk->path.len] = NULL;
	walk->marks[index] = DONE;
	return 0;
}

#define PLANS_MAX 4096

int service_plans_check(const struct service_plan *plans, size_t count, struct error *err)
{
	cleanup_free enum mark *marks = xcalloc(count + 1, sizeof(*marks));
	struct walk walk = {.plans = plans, .count = count, .marks = marks};
	int ret = 0;

	if (count > PLANS_MAX)
		return error_set(err, ERR_CONFIG, "%zu services are more than %d", count,
		                 PLANS_MAX);
	for (size_t i = 0; i < count && ret == 0; i++) {
		if (plan_named(plans, count, plans[i].name) != &plans[i])
			ret = error_set(err, ERR_CONFIG, "service %s is there twice",
			                plans[i].name);
		else
			ret = visit(&walk, i, err);
	}
	strv_release(&walk.path);
	return ret;
}
