#include "daemon/jobs.h"

#include "base/error.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/job_child.h"
#include "daemon/managed.h"
#include "daemon/project.h"
#include "daemon/project_op.h"
#include "daemon/reply.h"
#include "net/http_server.h"

struct api_job {
	struct http_exchange *x;
	struct job_child *child;
};

/* What clients may run; `bundle` and `cleanup` are the daemon's own. */
static const char *const kinds[] = {"image-import", "image-pull",     "image-list",
                                    "image-remove", "builder-create", "builder-list",
                                    "volume-list",  "volume-remove"};

static void on_line(json_t *line, void *data)
{
	const struct api_job *job = data;

	reply_line(job->x, json_incref(line));
}

static void on_result(json_t *result, void *data)
{
	struct api_job *job = data;

	reply_end(job->x, json_incref(result));
	free(job);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	struct api_job *job = data;

	job_child_cancel(job->child);
	free(job);
}

static const struct job_events job_callbacks = {.on_line = on_line, .on_result = on_result};
static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

/* Where things are is the daemon's to say, never the client's. */
static json_t *params_of(struct daemon *daemon, const json_t *given, struct error *err)
{
	const char *root = json_get_str(given, "root", NULL);
	const struct project *project = root ? daemon_find_project_at(daemon, root) : NULL;
	cleanup_free char *volumes = paths_volumes(&daemon->paths);
	static const char *const programs[] = {"lifecycle", "launcher"};
	cleanup_free char *store = paths_image_store(&daemon->paths);
	cleanup_free char *containers = xasprintf("%s/containers", daemon->paths.state);
	json_t *params = json_is_object(given) ? json_copy((json_t *)given) : json_object();

	json_set_str(params, "store", store);
	json_set_str(params, "containers", containers);
	json_set_str(params, "volumes", volumes);
	if (root && !json_get_str(params, "project", NULL))
		json_set_str(params, "project", project ? project->id : "");
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		cleanup_free char *name = xasprintf("locald-%s", programs[i]);
		cleanup_free char *path = paths_libexec(name, err);

		if (!path) {
			json_decref(params);
			return NULL;
		}
		json_set_str(params, programs[i], path);
	}
	return params;
}

static bool is_known(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(kinds[i], kind))
			return true;
	return false;
}

void jobs_start(struct daemon *daemon, struct http_exchange *x, const char *kind,
                const json_t *params)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct api_job *job = xcalloc(1, sizeof(*job));

	job->x = x;
	job->child = job_child_start(&daemon->jobs, kind, params, &job_callbacks, job, &err);
	if (!job->child) {
		free(job);
		reply_error(x, &err, NULL);
		return;
	}
	http_exchange_watch(x, &exchange_callbacks, job);
	reply_stream_begin(x);
}

void jobs_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	const char *kind = json_get_str(request, "kind", "");
	const json_t *params = json_object_get(request, "params");
	cleanup(error_release) struct error err = ERROR_INIT;

	if (str_eq(kind, "build")) {
		project_op_build(daemon, x, params);
	} else if (str_eq(kind, "service-reset")) {
		managed_reset(daemon, x, params);
	} else if (is_known(kind)) {
		cleanup_json json_t *all = params_of(daemon, params, &err);

		if (all)
			jobs_start(daemon, x, kind, all);
		else
			reply_error(x, &err, NULL);
	} else {
		error_set(&err, ERR_USAGE, "no such kind of job: \"%s\"", kind);
		reply_error(x, &err, NULL);
	}
}
