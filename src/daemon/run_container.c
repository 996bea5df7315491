#include "daemon/run_container.h"

#include "api/api_error.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/container_network.h"
#include "daemon/daemon.h"
#include "daemon/job_child.h"
#include "daemon/prepare.h"
#include "daemon/reply.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/http_server.h"

struct run_container {
	struct daemon *daemon;
	struct http_exchange *x; /* NULL once the client has gone */
	char *id;                /* for the runtime */
	char *dir;
	json_t *network;            /* as it was composed; NULL: none of its own */
	struct job_child *job;      /* makes the bundle, or removes it */
	struct loop_source *killer; /* `locald-shim delete` */
};

static void forget(struct run_container *run)
{
	struct daemon *daemon = run->daemon;

	array_drop(&daemon->run_containers, run);
	job_child_cancel(run->job);
	loop_source_free(run->killer);
	free(run->id);
	free(run->dir);
	json_decref(run->network);
	free(run);
}

static void ignore_line(json_t *line, void *data)
{
	/* Neither job has anything to tell but its result. */
}

/* --- the end: kill what is left, then remove it --- */

static void on_removed(json_t *result, void *data)
{
	struct run_container *run = data;
	cleanup(error_release) struct error err = ERROR_INIT;

	run->job = NULL;
	if (!json_get_bool(result, "ok", false)) {
		api_error_from_json(json_object_get(result, "error"), &err);
		log_err("remove container %s: %s", run->id, err.text);
	}
	forget(run);
}

static const struct job_events removal_callbacks = {.on_line = ignore_line,
                                                    .on_result = on_removed};

static void remove_dir(struct run_container *run)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *params = json_pack("{s:s}", "dir", run->dir);

	run->job = job_child_start(&run->daemon->jobs, "cleanup", params, &removal_callbacks, run,
	                           &err);
	if (run->job)
		return;
	log_err("remove container %s: %s", run->id, err.text);
	forget(run);
}

static void on_killed(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct run_container *run = data;

	loop_source_free(take_ptr(run->killer));
	remove_dir(run);
}

static void remove_all(struct run_container *run)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv argv = STRV_INIT;
	struct child_spec spec = {0};
	pid_t pid = -1;

	if (prepare_runtime(run->daemon, &argv, &err) == 0) {
		strv_add(&argv, "delete");
		strv_add(&argv, "--force");
		strv_add(&argv, run->id);
		spec.path = argv.items[0];
		spec.argv = (const char *const *)argv.items;
		pid = child_spawn(&spec, &err);
	}
	if (pid > 0 &&
	    loop_add_child(run->daemon->loop, pid, on_killed, run, &run->killer, &err) == 0)
		return;
	log_err("end container %s: %s", run->id, err.text);
	remove_dir(run);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	struct run_container *run = data;

	run->x = NULL;
	if (run->daemon->is_leaving)
		return;
	job_child_cancel(take_ptr(run->job));
	remove_all(run);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

/* --- the beginning: the bundle --- */

static int tell_command(struct run_container *run, const char *bundle, struct error *err)
{
	cleanup(strv_release) struct strv argv = STRV_INIT;
	json_t *context = json_object(), *result = reply_result(NULL, NULL);

	if (prepare_runtime(run->daemon, &argv, err) < 0) {
		json_decref(context);
		json_decref(result);
		return -1;
	}
	strv_add(&argv, "run");
	strv_add(&argv, "--init");
	strv_add(&argv, "--bundle");
	strv_add(&argv, bundle);
	strv_add(&argv, run->id);
	json_set_str(context, "mode", "container");
	json_object_set_new(context, "argv", json_from_raw_strv(&argv));
	json_object_set_new(result, "context", context);
	reply_line(run->x, result);
	return 0;
}

static void give_up(struct run_container *run, const struct error *err)
{
	reply_end(take_ptr(run->x), reply_result(err, NULL));
	forget(run);
}

static void on_bundle(json_t *result, void *data)
{
	struct run_container *run = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *bundle = json_get_str(result, "bundle", NULL);

	run->job = NULL;
	if (!json_get_bool(result, "ok", false) || !bundle)
		api_error_from_json(json_object_get(result, "error"), &err);
	else
		tell_command(run, bundle, &err);
	if (err.code)
		give_up(run, &err);
}

static const struct job_events bundle_callbacks = {.on_line = ignore_line, .on_result = on_bundle};

static int start_bundle(struct run_container *run, const char *service, const json_t *bundle,
                        struct error *err)
{
	struct daemon *daemon = run->daemon;
	cleanup_json json_t *params =
		prepare_bundle(daemon, bundle, run->dir, service, run->id, err);

	if (!params)
		return -1;
	run->job = job_child_start(&daemon->jobs, "bundle", params, &bundle_callbacks, run, err);
	return run->job ? 0 : -1;
}

/* The lowest number that no container of the service has. */
static void name_container(struct run_container *run, const char *project, const char *service)
{
	for (int n = 1; !run->dir; n++) {
		cleanup_free char *name = xasprintf("%s.run-%d", service, n);
		cleanup_free char *dir = paths_container_dir(&run->daemon->paths, project, name);
		bool is_taken = fs_exists(dir);

		array_foreach(other, &run->daemon->run_containers)
			is_taken |= str_eq_null((*other)->dir, dir);
		if (is_taken)
			continue;
		run->dir = take_ptr(dir);
		run->id = xasprintf("%s.%s", project, name);
	}
}

void run_container_begin(struct daemon *daemon, struct http_exchange *x, const char *project,
                         const char *service, const json_t *bundle)
{
	struct run_container *run = xcalloc(1, sizeof(*run));
	cleanup(error_release) struct error err = ERROR_INIT;

	run->daemon = daemon;
	run->x = x;
	run->network = json_incref(json_object_get(bundle, "network"));
	name_container(run, project, service);
	*array_add(&daemon->run_containers) = run;
	http_exchange_watch(x, &exchange_callbacks, run);
	if (start_bundle(run, service, bundle, &err) < 0)
		give_up(run, &err);
}

void run_containers_register(struct daemon *daemon)
{
	array_foreach(run, &daemon->run_containers)
		if ((*run)->x)
			container_network_register(daemon, (*run)->id, (*run)->network, 0);
}

void run_containers_release(struct daemon *daemon)
{
	while (daemon->run_containers.len > 0)
		forget(daemon->run_containers.items[0]);
	array_release(&daemon->run_containers);
}
