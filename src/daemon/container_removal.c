#include "daemon/container_removal.h"

#include "api/api_error.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/job_child.h"
#include "daemon/prepare.h"
#include "daemon/project.h"

#include <unistd.h>

struct container_removal {
	struct daemon *daemon;
	char *dir;
	struct job_child *job;
};

static void forget(struct container_removal *removal)
{
	struct daemon *daemon = removal->daemon;

	array_drop(&daemon->removals, removal);
	free(removal->dir);
	free(removal);
}

static void tell_done(struct daemon *daemon)
{
	void (*fn)(void *data) = daemon->removals_done;

	if (daemon->removals.len > 0 || !fn)
		return;
	daemon->removals_done = NULL;
	fn(daemon->removals_data);
}

void container_removal_when_done(struct daemon *daemon, void (*fn)(void *data), void *data)
{
	daemon->removals_done = fn;
	daemon->removals_data = data;
	tell_done(daemon);
}

static void ignore_line(json_t *line, void *data)
{
	/* A removal has nothing to tell but its result. */
}

static void on_result(json_t *result, void *data)
{
	struct container_removal *removal = data;
	struct daemon *daemon = removal->daemon;
	cleanup_free char *dir = xstrdup(removal->dir), *parent = path_dir(removal->dir);
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!json_get_bool(result, "ok", false)) {
		api_error_from_json(json_object_get(result, "error"), &err);
		log_err("remove container %s: %s", dir, err.text);
	}
	forget(removal);
	/* The project's folder goes with its last container; others are in it else. */
	if (daemon->preparations.len == 0 && daemon->run_containers.len == 0)
		(void)rmdir(parent);
	prepare_resume(daemon, dir);
	tell_done(daemon);
}

static const struct job_events job_callbacks = {.on_line = ignore_line, .on_result = on_result};

static void begin(struct daemon *daemon, const char *dir)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *params = json_pack("{s:s}", "dir", dir);
	struct container_removal *removal = xcalloc(1, sizeof(*removal));

	removal->daemon = daemon;
	removal->dir = xstrdup(dir);
	*array_add(&daemon->removals) = removal;
	removal->job =
		job_child_start(&daemon->jobs, "cleanup", params, &job_callbacks, removal, &err);
	if (removal->job)
		return;
	log_err("remove container %s: %s", dir, err.text);
	forget(removal);
}

bool container_removal_is_busy(const struct daemon *daemon, const char *dir)
{
	array_foreach(removal, &daemon->removals)
		if (str_eq((*removal)->dir, dir))
			return true;
	return false;
}

/* A crashed one stays to be looked at, until the next start or `stop`. */
static bool is_over(const struct service_snapshot *service)
{
	return service->pid <= 0 &&
	       (service->state == SERVICE_STOPPED || service->state == SERVICE_EXITED ||
	        service->state == SERVICE_SCHEDULED || service->state == SERVICE_BLOCKED);
}

void container_removal_begin(struct daemon *daemon, const char *project, const char *service)
{
	cleanup_free char *dir = paths_container_dir(&daemon->paths, project, service);

	if (fs_exists(dir) && !container_removal_is_busy(daemon, dir) &&
	    !prepare_is_busy(daemon, dir))
		begin(daemon, dir);
}

void container_removal_on_state(struct daemon *daemon, const char *project,
                                const struct service_snapshot *service)
{
	if (service->plan->mode == PLAN_CONTAINER && is_over(service) && !daemon->is_leaving)
		container_removal_begin(daemon, project, service->plan->name);
}

static void sweep_one(const char *project, const struct service_snapshot *service, void *data)
{
	container_removal_on_state(data, project, service);
}

void container_removal_sweep(struct daemon *daemon)
{
	supervisor_each(daemon->supervisor, NULL, sweep_one, daemon);
}

void container_removal_release(struct daemon *daemon)
{
	while (daemon->removals.len > 0) {
		job_child_cancel(daemon->removals.items[0]->job);
		forget(daemon->removals.items[0]);
	}
	array_release(&daemon->removals);
}
