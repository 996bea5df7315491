#include "daemon/prepare.h"

#include "api/api_error.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/testing.h"
#include "daemon/container_network.h"
#include "daemon/container_plan.h"
#include "daemon/container_removal.h"
#include "daemon/daemon.h"
#include "daemon/job_child.h"
#include "oci/container_dir.h"
#include "oci/runtime_scope.h"

/* In /dev, which is always the container's own: no volume can be in its place. */
#define CONTAINER_NOTIFY "/dev/locald-notify"

struct preparation {
	struct daemon *daemon;
	uint64_t token;
	char *container; /* its id for the runtime */
	char *dir;       /* of the container; NULL: a database's data is prepared */
	char *project, *service;
	struct job_child *job;
};

static void forget(struct preparation *preparation)
{
	struct daemon *daemon = preparation->daemon;

	array_drop(&daemon->preparations, preparation);
	free(preparation->container);
	free(preparation->project);
	free(preparation->service);
	free(preparation->dir);
	free(preparation);
}

/* The runtime's own environment; the container's is in the bundle. */
static void runtime_env(struct strv *env)
{
	for (char **entry = environ; *entry; entry++)
		strv_add(env, *entry);
}

int prepare_runtime(const struct daemon *daemon, struct strv *argv, struct error *err)
{
	return container_runtime(&daemon->paths, argv, err);
}

static int tell_prepared(struct preparation *preparation, const char *bundle, bool is_scoped,
                         struct error *err)
{
	struct daemon *daemon = preparation->daemon;
	cleanup(strv_release) struct strv argv = STRV_INIT, env = STRV_INIT;
	cleanup_free char *pid = container_dir_pid(preparation->dir);

	/* Its limits can be set in a scope of systemd alone. */
	if (is_scoped)
		runtime_scope_add(&argv, preparation->container);
	if (prepare_runtime(daemon, &argv, err) < 0)
		return -1;
	strv_add(&argv, "run");
	strv_add(&argv, "--init");
	if (is_scoped)
		strv_add(&argv, "--own-cgroup");
	strv_add(&argv, "--pid-file");
	strv_add(&argv, pid);
	strv_add(&argv, "--bundle");
	strv_add(&argv, bundle);
	strv_add(&argv, preparation->container);
	runtime_env(&env);
	fault_point("bundle.made");
	supervisor_prepared(daemon->supervisor, preparation->token, &argv, &env, NULL);
	return 0;
}

/* What the bundle's maker warns of stays with the service, and outlives this daemon. */
static void keep_warnings(const struct preparation *preparation, const json_t *result)
{
	struct project *project = daemon_find_project(preparation->daemon, preparation->project);
	int i = project ? project_index(project, preparation->service) : -1;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct strv *warnings = i >= 0 ? &project->extras.items[i].warnings : NULL;
	size_t before = warnings ? warnings->len : 0;

	if (!warnings)
		return;
	strv_release(warnings);
	if (json_to_strv(json_object_get(result, "warnings"), "warnings", warnings, &err) < 0 ||
	    (before + warnings->len > 0 &&
	     daemon_save_project(preparation->daemon, project, &err) < 0))
		log_err("%s: %s", preparation->container, err.text);
}

static void ignore_line(json_t *line, void *data)
{
	/* Making a bundle takes milliseconds; its progress is of no interest. */
}

static void on_result(json_t *result, void *data)
{
	struct preparation *preparation = data;
	struct daemon *daemon = preparation->daemon;
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *bundle = json_get_str(result, "bundle", NULL);

	preparation->job = NULL;
	if (json_get_bool(result, "ok", false) && !preparation->dir)
		supervisor_prepared(daemon->supervisor, preparation->token, NULL, NULL, NULL);
	else if (!json_get_bool(result, "ok", false) || !bundle)
		api_error_from_json(json_object_get(result, "error"), &err);
	else
		tell_prepared(preparation, bundle, json_get_bool(result, "scoped", false), &err);
	if (preparation->dir)
		keep_warnings(preparation, result);
	if (err.code)
		supervisor_prepared(daemon->supervisor, preparation->token, NULL, NULL, &err);
	forget(preparation);
}

static const struct job_events job_callbacks = {.on_line = ignore_line, .on_result = on_result};

/* The socket for sd_notify(3), as a mount: the keeper binds it before it starts the runtime. */
static void add_notify(const struct daemon *daemon, const char *project, const char *service,
                       json_t *params)
{
	cleanup_free char *path = paths_keeper_notify(&daemon->paths, project, service);
	json_t *mounts = json_object_get(params, "mounts"), *env = json_object_get(params, "env");

	if (!path)
		return;
	if (!mounts) {
		mounts = json_array();
		json_object_set_new(params, "mounts", mounts);
	}
	json_array_append_new(mounts,
	                      json_pack("{s:s, s:s}", "source", path, "target", CONTAINER_NOTIFY));
	json_set_str(env, "NOTIFY_SOCKET", CONTAINER_NOTIFY);
}

json_t *prepare_bundle(struct daemon *daemon, const json_t *bundle, const char *dir,
                       const char *hostname, const char *id, struct error *err)
{
	cleanup_free char *store = paths_image_store(&daemon->paths);
	cleanup_free char *memory = paths_root_memory(&daemon->paths);
	cleanup_free char *shim = paths_libexec("locald-shim", err);
	cleanup_free char *parent = path_dir(dir);
	cleanup_json json_t *params = NULL;

	if (!shim || fs_mkdirs_private(parent, err) < 0)
		return NULL;
	params = json_deep_copy(bundle);
	json_set_str(params, "store", store);
	json_set_str(params, "dir", dir);
	json_set_str(params, "hostname", hostname);
	json_set_str(params, "shim", shim);
	json_set_str(params, "root_memory", memory);
	return container_network_fill(daemon, params, id, err) < 0 ? NULL : take_ptr(params);
}

static int begin(struct preparation *preparation, struct error *err)
{
	const char *project = preparation->project, *service = preparation->service;
	struct daemon *daemon = preparation->daemon;
	const struct project *known = daemon_find_project(daemon, project);
	int i = known ? project_index(known, service) : -1;
	cleanup_json json_t *params = NULL;

	if (i >= 0 && known->extras.items[i].data) {
		/* Its plan says already what to run. */
		free(take_ptr(preparation->dir));
		preparation->job =
			job_child_start(&daemon->jobs, "service-data", known->extras.items[i].data,
		                        &job_callbacks, preparation, err);
		return preparation->job ? 0 : -1;
	}
	if (i < 0 || !known->extras.items[i].bundle)
		return error_set(err, ERR_NOT_FOUND, "%s has no container settings", service);
	params = prepare_bundle(daemon, known->extras.items[i].bundle, preparation->dir, service,
	                        preparation->container, err);
	if (!params)
		return -1;
	json_set_bool(params, "replace", true);
	add_notify(daemon, project, service, params);
	preparation->job =
		job_child_start(&daemon->jobs, "bundle", params, &job_callbacks, preparation, err);
	fault_point("bundle.begun");
	return preparation->job ? 0 : -1;
}

static void begin_or_fail(struct preparation *preparation)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (begin(preparation, &err) == 0)
		return;
	supervisor_prepared(preparation->daemon->supervisor, preparation->token, NULL, NULL, &err);
	forget(preparation);
}

bool prepare_is_busy(const struct daemon *daemon, const char *dir)
{
	array_foreach(slot, &daemon->preparations)
		if (str_eq_null((*slot)->dir, dir))
			return true;
	return false;
}

void prepare_resume(struct daemon *daemon, const char *dir)
{
	array_foreach(slot, &daemon->preparations) {
		if ((*slot)->job || !str_eq_null((*slot)->dir, dir))
			continue;
		begin_or_fail(*slot);
		return;
	}
}

void prepare_begin(struct daemon *daemon, const char *project, const struct service_plan *plan,
                   uint64_t token)
{
	struct preparation *preparation = xcalloc(1, sizeof(*preparation));

	preparation->daemon = daemon;
	preparation->project = xstrdup(project);
	preparation->service = xstrdup(plan->name);
	preparation->token = token;
	preparation->container = container_id(project, plan->name);
	preparation->dir = paths_container_dir(&daemon->paths, project, plan->name);
	*array_add(&daemon->preparations) = preparation;
	if (!container_removal_is_busy(daemon, preparation->dir))
		begin_or_fail(preparation);
}

void prepare_cancel(struct daemon *daemon, uint64_t token)
{
	array_foreach(slot, &daemon->preparations) {
		if ((*slot)->token != token)
			continue;
		job_child_cancel((*slot)->job);
		forget(*slot);
		return;
	}
}

void prepare_release(struct daemon *daemon)
{
	while (daemon->preparations.len > 0) {
		job_child_cancel(daemon->preparations.items[0]->job);
		forget(daemon->preparations.items[0]);
	}
	array_release(&daemon->preparations);
}
