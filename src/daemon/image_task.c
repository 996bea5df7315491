#include "daemon/image_task.h"

#include "api/api_error.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/interpolate.h"
#include "daemon/daemon.h"
#include "daemon/job_child.h"

struct image_task {
	char *service;
	struct job_child *job;
	const struct image_task_events *events;
	void *data;
};

static void task_free(struct image_task *task)
{
	free(task->service);
	free(task);
}

static void on_line(json_t *line, void *data)
{
	struct image_task *task = data;

	json_set_str(line, "service", task->service);
	task->events->on_line(line, task->data);
}

static void on_result(json_t *result, void *data)
{
	struct image_task *task = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	bool ok = json_get_bool(result, "ok", false);

	if (!ok) {
		api_error_from_json(json_object_get(result, "error"), &err);
		error_wrap(&err, "%s", task->service);
	}
	task->events->on_done(task->service, result, ok ? NULL : &err, task->data);
	task_free(task);
}

static const struct job_events job_callbacks = {.on_line = on_line, .on_result = on_result};

/* A build knows the shell and the project, not what will run. */
static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	const struct compose_request *request = data;
	const char *text = NULL;

	if (ref->kind == REFERENCE_ENV)
		text = strv_env_get(request->shell_env, ref->name);
	else if (ref->kind == REFERENCE_PROJECT_NAME)
		text = request->config->name;
	else
		return error_set(err, ERR_CONFIG, "${%s} is not known while an image is built",
		                 ref->text);
	if (text)
		ret->text = xstrdup(text);
	return text ? 1 : 0;
}

static int expand_env(const struct compose_request *request, const struct env_list *env,
                      json_t *out, struct diagnostics *diags, struct error *err)
{
	const struct interpolation how = {.lookup = look_up, .data = (void *)request};

	array_foreach(entry, &env->list) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		size_t at, len;

		if (interpolate(&how, NULL, entry->value, &text, &at, &len, err) < 0) {
			const struct diag_source source = {entry->file->name, entry->file->text,
			                                   entry->file->len};

			diag_at(diag_add(diags, "C021", "%s", err->text), &source, entry->pos,
			        NULL);
			return -1;
		}
		json_set_str(out, entry->name, text.buf);
	}
	return 0;
}

static int set_build(struct daemon *daemon, const struct compose_request *request,
                     const struct service_config *service, json_t *params,
                     struct diagnostics *diags, struct error *err)
{
	const struct build_config *build = &service->build;
	cleanup_free char *cache =
		paths_build_cache(&daemon->paths, request->project_id, service->name);
	cleanup_free char *shim = paths_libexec("locald-shim", err);
	json_t *env = json_object();

	json_object_set_new(params, "env", env);
	if (!build->builder) {
		error_set(err, ERR_CONFIG, "`%s` has no builder", service->name);
		return error_hint(err, "name one: build = { builder = \"NAME\" }; "
		                       "`locald builder list` shows what there is");
	}
	if (!shim)
		return -1;
	json_set_str(params, "cache", cache);
	json_set_str(params, "shim", shim);
	json_set_str(params, "builder", build->builder);
	json_set_str(params, "source", service->workdir);
	json_set_bool(params, "no_cache", !build->cache);
	json_object_set_new(params, "exclude", json_from_strv(&build->exclude));
	json_object_set_new(params, "buildpacks", json_from_strv(&build->buildpacks));
	return expand_env(request, &build->env, env, diags, err);
}

struct image_task *image_task_start(struct daemon *daemon, const struct compose_request *request,
                                    const struct service_config *service,
                                    const struct image_task_events *events, void *data,
                                    struct diagnostics *diags, struct error *err)
{
	cleanup_free char *store = paths_image_store(&daemon->paths);
	cleanup_free char *image = compose_image_name(request, service);
	cleanup_json json_t *params = json_object();
	bool is_build = service->build.is_set;
	struct image_task *task;

	json_set_str(params, "store", store);
	json_set_str(params, is_build ? "image" : "reference", image);
	json_set_bool(params, "if_missing", true);
	if (!is_build && !service->image) {
		error_set(err, ERR_CONFIG,
		          "`%s` cannot run in a container: it has neither `build` nor `image`",
		          service->name);
		error_hint(err, "add build = { builder = \"NAME\" } to [services.%s]",
		           service->name);
		return NULL;
	}
	if (is_build && set_build(daemon, request, service, params, diags, err) < 0)
		return NULL;
	task = xcalloc(1, sizeof(*task));
	task->service = xstrdup(service->name);
	task->events = events;
	task->data = data;
	task->job = job_child_start(&daemon->jobs, is_build ? "build" : "image-pull", params,
	                            &job_callbacks, task, err);
	if (task->job)
		return task;
	task_free(task);
	return NULL;
}

void image_task_cancel(struct image_task *task)
{
	job_child_cancel(task->job);
	task_free(task);
}

const char *image_task_service(const struct image_task *task)
{
	return task->service;
}
