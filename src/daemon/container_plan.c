#include "daemon/container_plan.h"

#include "api/paths.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/container_dir.h"
#include "service/plan.h"

#include <errno.h>
#include <fcntl.h>

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

#define REASON_MAX 256

char *container_reason(const struct paths *paths, const char *project, const char *service)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *dir = paths_container_dir(paths, project, service);
	cleanup_free char *path = xasprintf("%s/bundle/%s", dir, CONTAINER_REASON);

	/* Most ends have no more to tell than a code. */
	if (fs_read_file(path, REASON_MAX, &text, &ignored) < 0 || text.len == 0)
		return NULL;
	return strbuf_detach(&text);
}

char *container_id(const char *project, const char *service)
{
	return xasprintf("%s.%s", project, service);
}

void container_launcher(const json_t *image_defaults, struct strv *argv)
{
	if (!json_get_bool(image_defaults, "launcher", false))
		return;
	strv_add(argv, "/cnb/lifecycle/launcher");
	strv_add(argv, "--");
}

/* "CMD…" becomes "locald-shim … exec --wait ID CMD…". */
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
	strv_add(&inside, "--wait");
	strv_add(&inside, id);
	container_launcher(json_object_get(request->image_defaults, service->name), &inside);
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

/* --- volumes and limits --- */

/* In the project, whatever symlinks are on the way. */
static char *project_source(const char *root, const char *source, struct error *err)
{
	cleanup_close int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int found = -1;

	if (dir < 0) {
		error_errno(err, errno, "%s", root);
		return NULL;
	}
	found = fs_open_beneath(dir, source, O_PATH, 0, err);
	if (found >= 0)
		return path_absolute(root, source);
	if (err->code == EXDEV)
		error_hint(err, "it leads out of the project: write the path from /");
	else if (err->code == ENOENT)
		error_hint(err, "mkdir -p %s, or leave out the ./ for a named volume", source);
	return NULL;
}

static char *absolute_source(const struct container_place *place, const char *source,
                             struct error *err)
{
	cleanup_free char *path = NULL;

	if (*source == '.')
		return project_source(place->root, source, err);
	if (*source == '~' && str_empty(place->home)) {
		error_set(err, ERR_CONFIG, "%s: there is no HOME", source);
		return NULL;
	}
	path = *source == '~' ? path_join(place->home, source + 2) : xstrdup(source);
	return path_real(path, err);
}

json_t *container_volume_mount(const struct container_place *place,
                               const struct volume_config *volume, struct error *err)
{
	cleanup_free char *volumes = paths_volumes(place->paths);
	cleanup_free char *source =
		volume->is_named ? xasprintf("%s/%s/%s", volumes, place->project_id, volume->source)
				 : absolute_source(place, volume->source, err);
	json_t *mount;

	if (!source)
		return NULL;
	mount = json_object();
	json_set_str(mount, "type", volume->is_named ? "volume" : "bind");
	json_set_str(mount, "source", source);
	json_set_str(mount, "target", volume->target);
	json_set_bool(mount, "readonly", volume->is_readonly);
	json_set_bool(mount, "no_copy", volume->no_copy);
	return mount;
}

static int add_mounts(const struct compose_request *request, const struct service_config *service,
                      json_t *mounts, struct diagnostics *diags, struct error *err)
{
	const struct container_place from = {
		.paths = request->paths,
		.project_id = request->project_id,
		.root = request->config->root,
		.home = strv_env_get(request->shell_env, "HOME"),
	};

	array_foreach(volume, &service->volumes.list) {
		const struct config_place place = {NULL, volume->file, volume->pos};
		json_t *mount = container_volume_mount(&from, volume, err);
		struct diagnostic *diag;

		if (mount) {
			json_array_append_new(mounts, mount);
			continue;
		}
		diag = diag_add(diags, "C040", "services.%s.volumes: %s", service->name, err->text);
		diag_at_place(diag, &place, NULL);
		if (err->hint)
			diag_help(diag, "%s", err->hint);
		error_release(err);
		return diag_to_error(diags, err);
	}
	return 0;
}

int container_plan_bundle(const struct compose_request *request,
                          const struct service_config *service, json_t *bundle,
                          struct diagnostics *diags, struct error *err)
{
	json_t *mounts = json_array();

	json_object_set_new(bundle, "mounts", mounts);
	json_set_int(bundle, "memory_bytes", service->memory_bytes);
	json_set_int(bundle, "cpu_millis", service->cpu_millis);
	json_set_int(bundle, "pids", service->pids);
	return add_mounts(request, service, mounts, diags, err);
}
