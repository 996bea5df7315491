#include "daemon/detached_removal.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/project.h"
#include "daemon/container_removal.h"
#include "daemon/daemon.h"
#include "daemon/detached.h"
#include "daemon/live.h"
#include "daemon/reply.h"
#include "daemon/state_db.h"
#include "loop/loop.h"
#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>

struct detached_removal {
	struct daemon *daemon;
	struct http_exchange *x;   /* NULL: nobody waits */
	struct loop_source *timer; /* the supervisor is not to be called from its own callbacks */
	char *id, *name;
	bool has_stopped;
	json_t *failed; /* the result of a start that failed; x is its stream then, or NULL */
};

static void forget(struct detached_removal *removal)
{
	struct daemon *daemon = removal->daemon;

	array_drop(&daemon->detached_removals, removal);
	loop_source_free(removal->timer);
	free(removal->id);
	free(removal->name);
	json_decref(removal->failed);
	free(removal);
}

static void finish(struct detached_removal *removal, const struct error *err)
{
	struct http_exchange *x = take_ptr(removal->x);

	if (err && (!x || removal->failed))
		log_err("remove container %s: %s", removal->name, err->text);
	if (removal->failed) {
		reply_end(x, take_ptr(removal->failed));
	} else if (x && err) {
		reply_error(x, err, NULL);
	} else if (x) {
		reply_json(x, 200, json_pack("{s:b, s:s}", "ok", 1, "name", removal->name));
	}
	forget(removal);
}

/* --- what it leaves --- */

static int remove_below(const char *dir, const char *name, struct error *err)
{
	cleanup_close int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", dir);
	if (fs_remove_tree(fd, name, err) == 0 || err->code == ENOENT) {
		error_release(err);
		*err = (struct error)ERROR_INIT;
		return 0;
	}
	return -1;
}

/* The name goes last: until then the container is in the list, and can be removed again. */
static int remove_files(const struct detached_removal *removal, struct error *err)
{
	const struct paths *paths = &removal->daemon->paths;
	cleanup_free char *log = paths_log_dir(paths, removal->id, removal->name);
	cleanup_free char *own_logs = path_dir(log), *logs = path_dir(own_logs);
	cleanup_free char *keepers = paths_keeper_dir(paths, removal->id);
	cleanup_free char *all_keepers = path_dir(keepers);
	cleanup_free char *root = detached_root(removal->daemon, removal->name);
	cleanup_free char *dir = path_dir(root);

	if (remove_below(logs, removal->id, err) < 0 ||
	    remove_below(all_keepers, removal->id, err) < 0)
		return -1;
	return remove_below(dir, removal->name, err);
}

static void drop_project(struct detached_removal *removal)
{
	struct daemon *daemon = removal->daemon;

	array_foreach(slot, &daemon->projects) {
		if (!str_eq((*slot)->id, removal->id))
			continue;
		live_end(daemon, removal->id);
		project_destroy(*slot);
		array_remove(&daemon->projects, slot);
		break;
	}
	daemon_routes_changed(daemon);
}

static int drop(struct detached_removal *removal, struct error *err)
{
	struct daemon *daemon = removal->daemon;

	if (supervisor_forget(daemon->supervisor, removal->id, err) < 0)
		return -1;
	drop_project(removal);
	if (daemon_drop_saved(daemon, removal->id, err) < 0)
		return -1;
	/* Nobody else does when it is only a name, since a restart of the machine. */
	container_removal_begin(daemon, removal->id, removal->name);
	return remove_files(removal, err);
}

/* --- the steps: stop it, then drop it --- */

static void on_stopped(uint64_t operation unused_arg, const struct service_result *results,
                       size_t count, void *data)
{
	struct detached_removal *removal = data;

	for (size_t i = 0; i < count; i++)
		if (results[i].err.code)
			log_warn("stop container %s: %s", removal->name, results[i].err.text);
	removal->has_stopped = true;
	loop_timer_set(removal->timer, 0);
}

static void step(struct loop_source *timer unused_arg, void *data)
{
	struct detached_removal *removal = data;
	struct daemon *daemon = removal->daemon;
	const struct project *project = daemon_find_project(daemon, removal->id);
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!removal->has_stopped && project && project->plans.len > 0) {
		if (supervisor_stop(daemon->supervisor, removal->id, NULL, on_stopped, removal,
		                    &err))
			return;
	} else {
		(void)drop(removal, &err);
	}
	finish(removal, err.code ? &err : NULL);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	struct detached_removal *removal = data;

	removal->x = NULL;
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

static struct detached_removal *under_way(const struct daemon *daemon, const char *name)
{
	array_foreach(slot, &daemon->detached_removals)
		if (str_eq((*slot)->name, name))
			return *slot;
	return NULL;
}

static struct detached_removal *begin(struct daemon *daemon, const char *name)
{
	cleanup_free char *root = detached_root(daemon, name);
	struct detached_removal *removal = under_way(daemon, name);

	if (removal)
		return removal;
	removal = xcalloc(1, sizeof(*removal));
	removal->daemon = daemon;
	removal->name = xstrdup(name);
	removal->id = paths_project_id(name, root);
	removal->timer = loop_add_timer(daemon->loop, 0, step, removal);
	*array_add(&daemon->detached_removals) = removal;
	return removal;
}

static void answer_to(struct detached_removal *removal, struct http_exchange *x)
{
	removal->x = x;
	http_exchange_watch(x, &exchange_callbacks, removal);
}

void detached_remove_failed(struct daemon *daemon, const char *name, struct http_exchange *x,
                            json_t *result)
{
	struct detached_removal *removal;

	/* Somebody else removes it, and is answered when it is gone. */
	if (under_way(daemon, name)) {
		reply_end(x, result);
		return;
	}
	removal = begin(daemon, name);
	removal->failed = result;
	if (x)
		answer_to(removal, x);
}

/* --- asked for --- */

int detached_find(const struct daemon *daemon, const json_t *request, const char **ret_name,
                  struct error *err)
{
	cleanup_free char *root = NULL;

	if (json_need_str(request, "name", ret_name, err) < 0)
		return -1;
	root = detached_root(daemon, *ret_name);
	if (!config_is_name(*ret_name) || !fs_exists(root))
		return error_set(err, ERR_NOT_FOUND, "no container `%s`", *ret_name);
	if (under_way(daemon, *ret_name))
		return error_set(err, ERR_CONFLICT, "%s is being removed already", *ret_name);
	return 0;
}

static int check(struct daemon *daemon, const json_t *request, const char **ret_name,
                 struct error *err)
{
	cleanup_free char *root = NULL, *id = NULL;
	struct service_snapshot now;

	if (detached_find(daemon, request, ret_name, err) < 0)
		return -1;
	root = detached_root(daemon, *ret_name);
	id = paths_project_id(*ret_name, root);
	if (json_get_bool(request, "force", false) ||
	    !supervisor_find(daemon->supervisor, id, *ret_name, &now) ||
	    service_state_is_at_rest(now.state))
		return 0;
	error_set(err, ERR_CONFLICT, "%s is %s", *ret_name, service_state_name(now.state));
	return error_hint(err, "`locald container stop %s`, or rm --force", *ret_name);
}

void detached_remove(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *name;

	if (check(daemon, request, &name, &err) < 0)
		reply_error(x, &err, NULL);
	else
		answer_to(begin(daemon, name), x);
}

/* --- by its end --- */

static bool has_ended(const struct service_snapshot *service)
{
	return service->run > 0 && service->pid <= 0 &&
	       (service->state == SERVICE_EXITED || service->state == SERVICE_CRASHED ||
	        service->state == SERVICE_STOPPED);
}

void detached_removal_on_state(struct daemon *daemon, const char *project,
                               const struct service_snapshot *service)
{
	const struct project *known = daemon_find_project(daemon, project);

	if (!known || daemon->is_leaving || !has_ended(service) || known->extras.len == 0 ||
	    !known->extras.items[0].is_removed_after)
		return;
	(void)begin(daemon, known->name);
}

static void sweep_one(const char *project, const struct service_snapshot *service, void *data)
{
	detached_removal_on_state(data, project, service);
}

void detached_removal_sweep(struct daemon *daemon)
{
	supervisor_each(daemon->supervisor, NULL, sweep_one, daemon);
}

void detached_removal_release(struct daemon *daemon)
{
	while (daemon->detached_removals.len > 0)
		forget(daemon->detached_removals.items[0]);
	array_release(&daemon->detached_removals);
}
