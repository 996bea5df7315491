#include "daemon/project.h"

#include "base/error.h"
#include "base/mem.h"

#define PROJECT_FILE_VERSION 1

struct project *project_new(const char *id, const char *root, const char *name, const char *domain)
{
	struct project *project = xcalloc(1, sizeof(*project));

	project->id = xstrdup(id);
	project->root = xstrdup(root);
	project->name = xstrdup(name);
	project->domain = xstrdup(domain);
	return project;
}

void project_release_plans(struct project *project)
{
	array_foreach(plan, &project->plans)
		service_plan_release(plan);
	array_release(&project->plans);
	array_foreach(extra, &project->extras) {
		strv_release(&extra->hosts);
		json_decref(extra->bundle);
		json_decref(extra->data);
		free(extra->image);
		json_decref(extra->image_defaults);
		strv_release(&extra->warnings);
		free(extra->made_of);
		watch_rule_release(&extra->watch);
	}
	array_release(&project->extras);
}

void up_context_release(struct up_context *context)
{
	strv_release(&context->shell_env);
	strv_release(&context->host);
	strv_release(&context->container);
	strv_release(&context->profiles);
	strv_release(&context->formation);
}

void up_context_copy(struct up_context *dst, const struct up_context *src)
{
	strv_copy(&dst->shell_env, &src->shell_env);
	strv_copy(&dst->host, &src->host);
	strv_copy(&dst->container, &src->container);
	strv_copy(&dst->profiles, &src->profiles);
	strv_copy(&dst->formation, &src->formation);
	dst->no_deps = src->no_deps;
}

void project_destroy(struct project *project)
{
	if (!project)
		return;
	project_release_plans(project);
	strv_release(&project->building);
	up_context_release(&project->context);
	config_inputs_release(&project->inputs);
	free(project->id);
	free(project->root);
	free(project->name);
	free(project->domain);
	free(project);
}

const char *plan_service(const struct service_plan *plan)
{
	return plan->group ? plan->group : plan->name;
}

int project_index(const struct project *project, const char *service)
{
	array_foreach(plan, &project->plans)
		if (str_eq(plan->name, service))
			return (int)array_index(&project->plans, plan);
	array_foreach(plan, &project->plans)
		if (str_eq_null(plan->group, service))
			return (int)array_index(&project->plans, plan);
	return -1;
}

int service_names_check(const struct strv *names, const struct strv *known, const char *project,
                        struct error *err)
{
	for (size_t i = 0; i < names->len; i++) {
		const char *nearest;

		if (strv_has(known, names->items[i]))
			continue;
		nearest =
			str_nearest(names->items[i], (const char *const *)known->items, known->len);
		error_set(err, ERR_NOT_FOUND, "no service `%s` in %s", names->items[i], project);
		return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
	}
	return 0;
}

static void add_known(const struct project *project, struct strv *out)
{
	array_foreach(plan, &project->plans) {
		strv_add(out, plan->name);
		if (plan->group && !strv_has(out, plan->group))
			strv_add(out, plan->group);
	}
}

int project_check_service(const struct project *project, const char *service, struct error *err)
{
	cleanup(strv_release) struct strv known = STRV_INIT, names = STRV_INIT;

	add_known(project, &known);
	strv_add(&names, service);
	return service_names_check(&names, &known, project->name, err);
}

int project_resolve(const struct project *project, struct strv *names, struct error *err)
{
	cleanup(strv_release) struct strv known = STRV_INIT, asked = *names;

	*names = (struct strv)STRV_INIT;
	add_known(project, &known);
	if (service_names_check(&asked, &known, project->name, err) < 0)
		return -1;
	array_foreach(plan, &project->plans)
		if (strv_has(&asked, plan->name) || strv_has(&asked, plan_service(plan)))
			strv_add(names, plan->name);
	return 0;
}

char *service_url(const struct service_extra *extra, int proxy_port)
{
	if (proxy_port == 0 || extra->hosts.len == 0)
		return NULL;
	if (proxy_port == 80)
		return xasprintf("http://%s", extra->hosts.items[0]);
	return xasprintf("http://%s:%d", extra->hosts.items[0], proxy_port);
}

static json_t *deps_to_json(const struct service_plan *plan)
{
	json_t *array = json_array();

	array_foreach(dep, &plan->deps) {
		json_t *item = json_object();

		json_set_str(item, "name", dep->name);
		json_set_int(item, "condition", dep->condition);
		json_array_append_new(array, item);
	}
	return array;
}

static json_t *health_to_json(const struct plan_health *health)
{
	json_t *object = json_object();

	json_set_int(object, "kind", health->kind);
	json_set_str(object, "path", health->path);
	json_set_str(object, "pattern", health->pattern);
	json_object_set_new(object, "argv", json_from_raw_strv(&health->argv));
	json_set_int(object, "interval_ms", health->interval_ms);
	json_set_int(object, "timeout_ms", health->timeout_ms);
	json_set_int(object, "start_period_ms", health->start_period_ms);
	json_set_int(object, "retries", health->retries);
	json_set_bool(object, "restart", health->restart);
	return object;
}

json_t *plan_to_json(const struct service_plan *plan)
{
	json_t *object = json_object(), *codes = json_array();

	json_set_str(object, "name", plan->name);
	json_set_str(object, "group", plan->group);
	json_set_int(object, "mode", plan->mode);
	json_object_set_new(object, "argv", json_from_raw_strv(&plan->argv));
	json_object_set_new(object, "env", json_from_raw_strv(&plan->env));
	json_set_str(object, "cwd", plan->cwd);
	json_set_bool(object, "has_port", plan->has_port);
	json_set_int(object, "port", plan->port);
	json_set_bool(object, "has_own_network", plan->has_own_network);
	json_set_int(object, "inside_port", plan->inside_port);
	json_object_set_new(object, "deps", deps_to_json(plan));
	json_object_set_new(object, "health", health_to_json(&plan->health));
	json_set_int(object, "stop_signal", plan->stop_signal);
	json_set_int(object, "stop_timeout_ms", plan->stop_timeout_ms);
	json_object_set_new(object, "stop_argv", json_from_raw_strv(&plan->stop_argv));
	json_set_bool(object, "tty", plan->tty);
	json_set_int(object, "log_bytes", plan->log_bytes);
	json_set_bool(object, "stdin", plan->has_stdin);
	json_set_bool(object, "oneshot", plan->oneshot);
	array_foreach(code, &plan->success_codes)
		json_array_append_new(codes, json_integer(*code));
	json_object_set_new(object, "success_codes", codes);
	json_set_int(object, "restart", plan->restart);
	json_set_int(object, "max_restarts", plan->max_restarts);
	json_set_str(object, "schedule", plan->schedule);
	json_set_int(object, "every_ms", plan->every_ms);
	json_set_bool(object, "needs_prepare", plan->needs_prepare);
	return object;
}

static char *dup_str(const json_t *object, const char *key)
{
	return xstrdup_null(json_get_str(object, key, NULL));
}

static int health_from_json(const json_t *object, struct plan_health *health, struct error *err)
{
	health->kind = (enum plan_health_kind)json_get_int(object, "kind", 0);
	health->path = dup_str(object, "path");
	health->pattern = dup_str(object, "pattern");
	health->interval_ms = json_get_int(object, "interval_ms", 1000);
	health->timeout_ms = json_get_int(object, "timeout_ms", 1000);
	health->start_period_ms = json_get_int(object, "start_period_ms", 0);
	health->retries = (int)json_get_int(object, "retries", 3);
	health->restart = json_get_bool(object, "restart", false);
	return json_to_strv(json_object_get(object, "argv"), "health.argv", &health->argv, err);
}

static void deps_from_json(const json_t *array, struct service_plan *plan)
{
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item) {
		struct plan_dep *dep = array_add(&plan->deps);

		dep->name = xstrdup(json_get_str(item, "name", ""));
		dep->condition = (enum dep_condition)json_get_int(item, "condition", 0);
	}
}

static int plan_from_json(const json_t *object, struct service_plan *plan, struct error *err)
{
	const char *name;
	json_t *code;
	size_t i;

	if (json_need_str(object, "name", &name, err) < 0)
		return -1;
	plan->name = xstrdup(name);
	plan->group = dup_str(object, "group");
	plan->mode = (enum plan_mode)json_get_int(object, "mode", 0);
	plan->cwd = dup_str(object, "cwd");
	plan->has_port = json_get_bool(object, "has_port", false);
	plan->has_own_network = json_get_bool(object, "has_own_network", false);
	plan->inside_port = (int)json_get_int(object, "inside_port", 0);
	plan->port = (int)json_get_int(object, "port", 0);
	plan->stop_signal = (int)json_get_int(object, "stop_signal", 0);
	plan->stop_timeout_ms = json_get_int(object, "stop_timeout_ms", 0);
	plan->tty = json_get_bool(object, "tty", false);
	plan->log_bytes = json_get_int(object, "log_bytes", PLAN_LOG_BYTES);
	plan->has_stdin = json_get_bool(object, "stdin", false);
	plan->oneshot = json_get_bool(object, "oneshot", false);
	plan->restart = (enum plan_restart)json_get_int(object, "restart", 0);
	plan->max_restarts = (int)json_get_int(object, "max_restarts", 0);
	plan->schedule = dup_str(object, "schedule");
	plan->every_ms = json_get_int(object, "every_ms", 0);
	plan->needs_prepare = json_get_bool(object, "needs_prepare", false);
	plan->fingerprint = dup_str(object, "fingerprint");
	deps_from_json(json_object_get(object, "deps"), plan);
	json_array_foreach(json_object_get(object, "success_codes"), i, code)
		*array_add(&plan->success_codes) = (int)json_integer_value(code);
	if (health_from_json(json_object_get(object, "health"), &plan->health, err) < 0 ||
	    json_to_strv(json_object_get(object, "argv"), "argv", &plan->argv, err) < 0 ||
	    json_to_strv(json_object_get(object, "env"), "env", &plan->env, err) < 0 ||
	    json_to_strv(json_object_get(object, "stop_argv"), "stop_argv", &plan->stop_argv, err) <
	            0)
		return -1;
	return 0;
}

static json_t *context_to_json(const struct up_context *context)
{
	json_t *object = json_object();

	json_object_set_new(object, "env", json_from_raw_strv(&context->shell_env));
	json_object_set_new(object, "host", json_from_strv(&context->host));
	json_object_set_new(object, "container", json_from_strv(&context->container));
	json_object_set_new(object, "profiles", json_from_strv(&context->profiles));
	json_object_set_new(object, "formation", json_from_strv(&context->formation));
	json_set_bool(object, "no_deps", context->no_deps);
	return object;
}

json_t *project_to_json(const struct project *project)
{
	json_t *object = json_object(), *services = json_array();

	json_set_int(object, "version", PROJECT_FILE_VERSION);
	json_set_str(object, "id", project->id);
	json_set_str(object, "root", project->root);
	json_set_str(object, "name", project->name);
	json_set_str(object, "domain", project->domain);
	array_foreach(plan, &project->plans) {
		const struct service_extra *extra =
			&project->extras.items[array_index(&project->plans, plan)];
		json_t *item = plan_to_json(plan);

		json_set_str(item, "fingerprint", plan->fingerprint);
		json_object_set_new(item, "hosts", json_from_strv(&extra->hosts));
		json_set_bool(item, "is_port_set", plan->is_port_set);
		json_set_str(item, "port_place", plan->port_place);
		if (extra->bundle)
			json_object_set(item, "bundle", extra->bundle);
		if (extra->data)
			json_object_set(item, "data", extra->data);
		json_set_str(item, "image", extra->image);
		if (extra->image_defaults)
			json_object_set(item, "image_defaults", extra->image_defaults);
		json_object_set_new(item, "warnings", json_from_strv(&extra->warnings));
		json_set_bool(item, "is_removed_after", extra->is_removed_after);
		json_set_str(item, "made_of", extra->made_of);
		json_object_set_new(item, "watch", watch_rule_to_json(&extra->watch));
		json_array_append_new(services, item);
	}
	json_object_set_new(object, "services", services);
	json_object_set_new(object, "context", context_to_json(&project->context));
	json_object_set_new(object, "inputs", config_inputs_to_json(&project->inputs));
	json_set_str(object, "head", project->head);
	return object;
}

static int context_from_json(const json_t *object, struct up_context *context, struct error *err)
{
	const struct {
		const char *key;
		struct strv *list;
	} lists[] = {
		{"env", &context->shell_env},       {"host", &context->host},
		{"container", &context->container}, {"profiles", &context->profiles},
		{"formation", &context->formation},
	};

	context->no_deps = json_get_bool(object, "no_deps", false);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (json_to_strv(json_object_get(object, lists[i].key), lists[i].key, lists[i].list,
		                 err) < 0)
			return -1;
	return 0;
}

static int services_from_json(const json_t *services, struct project *project, struct error *err)
{
	size_t i;
	json_t *item;

	json_array_foreach(services, i, item) {
		struct service_plan *plan = array_add(&project->plans);
		struct service_extra *extra = array_add(&project->extras);

		plan->is_port_set = json_get_bool(item, "is_port_set", false);
		plan->port_place = dup_str(item, "port_place");
		extra->bundle = json_incref(json_object_get(item, "bundle"));
		extra->data = json_incref(json_object_get(item, "data"));
		extra->image = dup_str(item, "image");
		extra->image_defaults = json_incref(json_object_get(item, "image_defaults"));
		extra->is_removed_after = json_get_bool(item, "is_removed_after", false);
		extra->made_of = dup_str(item, "made_of");
		if (plan_from_json(item, plan, err) < 0 ||
		    watch_rule_from_json(json_object_get(item, "watch"), &extra->watch, err) < 0 ||
		    json_to_strv(json_object_get(item, "warnings"), "warnings", &extra->warnings,
		                 err) < 0 ||
		    json_to_strv(json_object_get(item, "hosts"), "hosts", &extra->hosts, err) < 0)
			return -1;
	}
	return 0;
}

struct project *project_from_json(const json_t *object, struct error *err)
{
	const char *id, *root, *name, *domain;
	struct project *project;

	if (json_get_int(object, "version", 0) != PROJECT_FILE_VERSION) {
		error_set(err, ERR_DAEMON, "saved by another version of locald");
		return NULL;
	}
	if (json_need_str(object, "id", &id, err) < 0 ||
	    json_need_str(object, "root", &root, err) < 0 ||
	    json_need_str(object, "name", &name, err) < 0 ||
	    json_need_str(object, "domain", &domain, err) < 0)
		return NULL;
	project = project_new(id, root, name, domain);
	config_inputs_from_json(json_object_get(object, "inputs"), &project->inputs);
	(void)str_copy(project->head, sizeof(project->head), json_get_str(object, "head", ""));
	if (services_from_json(json_object_get(object, "services"), project, err) == 0 &&
	    context_from_json(json_object_get(object, "context"), &project->context, err) == 0)
		return project;
	project_destroy(project);
	return NULL;
}
