#include "daemon/detached.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "config/project.h"
#include "daemon/compose.h"
#include "daemon/container_begun.h"
#include "daemon/container_plan.h"
#include "daemon/daemon.h"
#include "daemon/detached_removal.h"
#include "daemon/relay_worker.h"
#include "daemon/reply.h"
#include "daemon/status.h"
#include "net/http_server.h"
#include "service/port_holder.h"

#include <errno.h>
#include <sys/stat.h>

/* What the runtime's own lines begin with. */
#define RUNTIME_SAYS "locald-shim: "

struct detached_start {
	struct daemon *daemon;
	struct http_exchange *x; /* NULL once it was answered, or the client has gone */
	char *id, *name;
	struct container_begun *begun; /* NULL once its program was executed */
	bool has_begun;
	bool is_up;    /* as far as the supervisor knows, whose process is the runtime */
	bool is_over;  /* the operation; it has this until then */
	bool is_again; /* it stays, whatever becomes of it */
	uint32_t run_before;
};

static void forget(struct detached_start *start)
{
	struct daemon *daemon = start->daemon;

	array_drop(&daemon->detached_starts, start);
	container_begun_free(start->begun);
	free(start->id);
	free(start->name);
	free(start);
}

static void answer(struct detached_start *start, const char *end)
{
	json_t *result = reply_result(NULL, NULL), *container = json_object();

	json_set_str(container, "name", start->name);
	json_set_str(container, "ended", end);
	json_object_set_new(result, "container", container);
	reply_end(take_ptr(start->x), result);
}

static void advance(struct detached_start *start)
{
	if (start->x && start->has_begun && start->is_up)
		answer(start, NULL);
	if (!start->x && start->is_over)
		forget(start);
}

static void on_begun(void *data)
{
	struct detached_start *start = data;

	container_begun_free(take_ptr(start->begun));
	start->has_begun = true;
	advance(start);
}

/* Who asked for it has gone; the container stays. */
static void on_client_gone(struct http_exchange *x, void *data)
{
	struct detached_start *start = data;

	start->x = NULL;
	advance(start);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone};

/* --- names --- */

char *detached_root(const struct daemon *daemon, const char *name)
{
	cleanup_free char *dir = paths_detached_dir(&daemon->paths);

	return path_join(dir, name);
}

bool detached_is(const struct daemon *daemon, const struct project *project)
{
	cleanup_free char *dir = paths_detached_dir(&daemon->paths);
	cleanup_free char *parent = path_dir(project->root);

	return str_eq(dir, parent);
}

static int taken(const char *name, struct error *err)
{
	error_set(err, ERR_CONFLICT, "there is a container `%s`", name);
	return error_hint(err, "`locald container rm %s`, or give this one another --name", name);
}

/* The folder is the name's: who makes it has it. */
static int take_name(const struct daemon *daemon, const char *name, struct error *err)
{
	cleanup_free char *dir = paths_detached_dir(&daemon->paths);
	cleanup_free char *root = detached_root(daemon, name);

	if (fs_mkdirs_private(dir, err) < 0)
		return -1;
	if (mkdir(root, 0700) == 0)
		return 0;
	return errno == EEXIST ? taken(name, err) : error_errno(err, errno, "%s", root);
}

static char *make_name(const struct daemon *daemon, const char *stem, struct error *err)
{
	for (int n = 1;; n++) {
		cleanup_free char *name = n == 1 ? xstrdup(stem) : xasprintf("%s-%d", stem, n);

		if (take_name(daemon, name, err) == 0)
			return take_ptr(name);
		if (err->code != ERR_CONFLICT)
			return NULL;
		error_release(err);
		*err = (struct error)ERROR_INIT;
	}
}

static const json_t *published(const json_t *bundle)
{
	return json_object_get(json_object_get(bundle, "network"), "publish");
}

static int host_port(const json_t *pair)
{
	return (int)json_integer_value(json_array_get(pair, 0));
}

/* A port that the relay holds may be one of a container that has just ended. */
static int check_containers(struct daemon *daemon, const struct project *project, int port,
                            struct error *err)
{
	const json_t *pair;
	size_t at;

	for (size_t i = 0; i < project->plans.len; i++) {
		const char *service = project->plans.items[i].name;
		struct service_snapshot now;

		json_array_foreach(published(project->extras.items[i].bundle), at, pair) {
			if (host_port(pair) != port ||
			    !supervisor_find(daemon->supervisor, project->id, service, &now) ||
			    !service_state_is_live(now.state))
				continue;
			error_set(err, ERR_CONFLICT, "port %d leads to the container of %s in %s",
			          port, service, project->root);
			return error_hint(err, "stop it, or take another port");
		}
	}
	return 0;
}

static bool is_of_relay(const struct daemon *daemon, int port)
{
	struct port_holder holder;
	bool is_of_it;

	if (!port_holder_find(port, &holder))
		return false;
	is_of_it = holder.pid > 0 && holder.pid == relay_worker_pid(daemon->relay);
	port_holder_release(&holder);
	return is_of_it;
}

static int check_port(struct daemon *daemon, int port, struct error *err)
{
	const struct service_plan plan = {.port = port};

	if (daemon->world.port_check(&plan, daemon->world.data, err) == 0)
		return 0;
	if (!is_of_relay(daemon, port))
		return -1;
	error_release(err);
	*err = (struct error)ERROR_INIT;
	array_foreach(slot, &daemon->projects)
		if (check_containers(daemon, *slot, port, err) < 0)
			return -1;
	return 0;
}

int detached_check(struct daemon *daemon, const char *name, const json_t *bundle, struct error *err)
{
	cleanup_free char *root = name ? detached_root(daemon, name) : NULL;
	const json_t *pair;
	size_t i;

	if (root && fs_exists(root))
		return taken(name, err);
	json_array_foreach(published(bundle), i, pair)
		if (check_port(daemon, host_port(pair), err) < 0)
			return error_wrap(err, "--publish");
	return 0;
}

/* --- the project of one service --- */

static void set_fingerprint(struct service_plan *plan, const json_t *bundle)
{
	cleanup_json json_t *json = plan_to_json(plan);
	cleanup_free char *text = NULL;
	char digest[SHA256_DIGEST_SIZE];

	json_object_set(json, "bundle", (json_t *)bundle);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	sha256_digest_of(text, strlen(text), digest);
	plan->fingerprint = xstrdup(digest);
}

/* The image's own ideas of how it is stopped and asked for its health. */
static int adapt(const struct daemon *daemon, const struct project *project, const json_t *defaults,
                 struct service_plan *plan, struct error *err)
{
	const struct service_config service = {.name = plan->name};
	cleanup_json json_t *images =
		json_pack("{s:O*}", plan->name, defaults ? defaults : json_null());
	const struct compose_request request = {
		.project_id = project->id, .paths = &daemon->paths, .image_defaults = images};

	return container_plan_adapt(&request, &service, plan, err);
}

static struct project *make_project(const struct daemon *daemon, const char *name,
                                    const struct detached_request *request, struct error *err)
{
	cleanup_free char *root = detached_root(daemon, name);
	cleanup_free char *id = paths_project_id(name, root);
	struct project *project = project_new(id, root, name, "localhost");
	struct service_plan *plan = array_add(&project->plans);
	struct service_extra *extra = array_add(&project->extras);

	service_plan_init(plan, name);
	plan->mode = PLAN_CONTAINER;
	plan->cwd = xstrdup(root);
	plan->needs_prepare = true;
	plan->restart = PLAN_RESTART_NO;
	plan->tty = json_get_bool(request->bundle, "terminal", false);
	plan->has_stdin = request->has_stdin;
	plan->has_own_network = json_object_get(request->bundle, "network") != NULL;
	extra->bundle = json_deep_copy(request->bundle);
	extra->image_defaults = json_incref((json_t *)request->defaults);
	extra->is_removed_after = request->is_removed_after;
	if (adapt(daemon, project, request->defaults, plan, err) < 0) {
		project_destroy(project);
		return NULL;
	}
	set_fingerprint(plan, extra->bundle);
	return project;
}

/* --- the start --- */

/* "exited with code 9 after 0.0 s: no such table": what it said last is why, most often. */
static char *describe_end(const struct service_snapshot *now, const char *text)
{
	const struct strv *lines = now->last_lines;

	return lines && lines->len > 0 ? xasprintf("%s: %s", text, lines->items[lines->len - 1])
	                               : xstrdup(text);
}

/* The run that was asked for is over. */
static bool has_ended(const struct detached_start *start, const struct service_snapshot *now)
{
	return now->run > start->run_before && now->pid <= 0 &&
	       service_state_is_at_rest(now->state);
}

/* The runtime's last line, in a terminal or not. */
static void add_reason(const struct strv *lines, struct error *err)
{
	const char *line = lines->items[lines->len - 1];
	size_t prefix = str_starts(line, RUNTIME_SAYS) ? strlen(RUNTIME_SAYS) : 0;
	int len = (int)strcspn(line + prefix, "\r");

	error_set(err, ERR_FAILED, "%.*s", len, line + prefix);
}

/* It says why, and with its exit code `run` without -d would have ended.  May change err. */
static void fail(struct detached_start *start, const struct service_snapshot *now,
                 struct error *err)
{
	bool has_run = has_ended(start, now) && now->last_exit.is_known;
	json_t *result;

	if (has_run && now->last_lines->len > 0)
		add_reason(now->last_lines, err);
	result = reply_result(err, NULL);
	if (has_run && now->last_exit.code > 0)
		json_set_int(result, "exit_code", now->last_exit.code);
	if (start->is_again)
		reply_end(take_ptr(start->x), result);
	else
		detached_remove_failed(start->daemon, start->name, take_ptr(start->x), result);
}

/* Did the program ever run?  That is to be seen before what the runtime left is removed. */
static void look_back(struct detached_start *start, const struct service_snapshot *now)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	container_begun_free(take_ptr(start->begun));
	start->has_begun = container_has_begun(&start->daemon->paths, start->id, start->name);
	if (start->x && start->is_over && !start->has_begun) {
		error_set(&err, ERR_FAILED, "%s", now->detail ? now->detail : "ended");
		fail(start, now, &err);
	}
	advance(start);
}

/* What began and ended at once is there to be looked at; what never could begin is removed. */
static void on_started(uint64_t operation unused_arg, const struct service_result *results,
                       size_t count, void *data)
{
	struct detached_start *start = data;
	const struct error *failure = count > 0 && results[0].err.code ? &results[0].err : NULL;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct service_snapshot now = {0};
	bool is_known = supervisor_find(start->daemon->supervisor, start->id, start->name, &now);

	start->is_over = start->is_up = true;
	if (start->x && failure && start->has_begun) {
		cleanup_free char *end = describe_end(&now, failure->text);

		answer(start, end);
	} else if (start->x && failure) {
		error_set(&err, failure->code, "%s", failure->text);
		if (failure->hint)
			error_hint(&err, "%s", failure->hint);
		fail(start, &now, &err);
	}
	if (is_known)
		detached_removal_on_state(start->daemon, start->id, &now);
	advance(start);
}

/* Without the means to watch, that the runtime was started must do, as long as it lives. */
static void watch_begun(struct detached_start *start)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *id = container_id(start->id, start->name);

	start->begun = container_begun_watch(start->daemon, id, on_begun, start, &err);
	start->has_begun = !start->begun;
	if (!start->begun)
		log_warn("%s: %s", start->name, err.text);
}

static int apply(struct detached_start *start, const struct detached_request *request,
                 struct error *err)
{
	struct daemon *daemon = start->daemon;
	struct project *project = make_project(daemon, start->name, request, err);
	const struct apply_options options = {0};

	if (!project)
		return -1;
	start->id = xstrdup(project->id);
	watch_begun(start);
	if (daemon_put_project(daemon, project, err) < 0)
		return -1;
	return supervisor_apply(daemon->supervisor, project->id, project->plans.items,
	                        project->plans.len, &options, on_started, start, err)
	               ? 0
	               : -1;
}

static struct detached_start *new_start(struct daemon *daemon, struct http_exchange *x)
{
	struct detached_start *start = xcalloc(1, sizeof(*start));

	start->daemon = daemon;
	start->x = x;
	*array_add(&daemon->detached_starts) = start;
	http_exchange_watch(x, &exchange_callbacks, start);
	return start;
}

void detached_begin(struct daemon *daemon, struct http_exchange *x,
                    const struct detached_request *request)
{
	struct detached_start *start = new_start(daemon, x);
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!request->name)
		start->name = make_name(daemon, request->stem, &err);
	else if (take_name(daemon, request->name, &err) == 0)
		start->name = xstrdup(request->name);
	if (start->name && apply(start, request, &err) == 0)
		return;
	if (start->name)
		detached_remove_failed(daemon, start->name, x, reply_result(&err, NULL));
	else
		reply_end(x, reply_result(&err, NULL));
	start->x = NULL;
	forget(start);
}

/* --- once more --- */

static struct detached_start *find_start(const struct daemon *daemon, const char *project)
{
	array_foreach(slot, &daemon->detached_starts)
		if (str_eq_null((*slot)->id, project))
			return *slot;
	return NULL;
}

static int forgotten(const char *name, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "%s was forgotten with the restart of the machine", name);
	return error_hint(err, "`locald container rm %s`, and run it again", name);
}

/* Fills `now`, as it is before. */
static int check_again(struct daemon *daemon, const char *name, const char *id,
                       struct service_snapshot *now, struct error *err)
{
	const struct project *project = daemon_find_project(daemon, id);

	if (!project || project->extras.len == 0 ||
	    !supervisor_find(daemon->supervisor, id, name, now))
		return forgotten(name, err);
	if (service_state_is_at_rest(now->state))
		return detached_check(daemon, NULL, project->extras.items[0].bundle, err);
	if (!find_start(daemon, id) &&
	    (now->state == SERVICE_RUNNING || now->state == SERVICE_UNHEALTHY))
		return 0;
	return error_set(err, ERR_CONFLICT, "%s is %s", name,
	                 find_start(daemon, id) ? "starting" : service_state_name(now->state));
}

static void start_again(struct daemon *daemon, struct http_exchange *x, const char *name,
                        const char *id, const struct service_snapshot *now)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct detached_start *start = new_start(daemon, x);

	start->name = xstrdup(name);
	start->id = xstrdup(id);
	start->run_before = now->run;
	start->is_again = true;
	watch_begun(start);
	if (supervisor_restart(daemon->supervisor, start->id, NULL, on_started, start, &err))
		return;
	start->is_over = true;
	reply_end(take_ptr(start->x), reply_result(&err, NULL));
	advance(start);
}

void detached_start(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *root = NULL, *id = NULL;
	struct service_snapshot now;
	const char *name;

	if (detached_find(daemon, request, &name, &err) == 0) {
		root = detached_root(daemon, name);
		id = paths_project_id(name, root);
		(void)check_again(daemon, name, id, &now, &err);
	}
	if (err.code) {
		reply_error(x, &err, NULL);
		return;
	}
	reply_stream_begin(x);
	if (service_state_is_at_rest(now.state) || json_get_bool(request, "restart", false))
		start_again(daemon, x, name, id, &now);
	else
		reply_end(x, reply_result(NULL, NULL));
}

/* --- what becomes of it --- */

/* A health check says more than that it runs, but nobody waits here for that. */
static bool is_up(const struct detached_start *start, const struct service_snapshot *service)
{
	return service->run > start->run_before && service->state == SERVICE_RUNNING &&
	       service->plan->health.kind != PLAN_HEALTH_DEFAULT;
}

void detached_on_state(struct daemon *daemon, const char *project,
                       const struct service_snapshot *service)
{
	struct detached_start *start = find_start(daemon, project);
	bool is_starting = start && !start->is_over;

	if (start && has_ended(start, service)) {
		look_back(start, service);
	} else if (start && is_up(start, service)) {
		start->is_up = true;
		advance(start);
	}
	/* A removal stops it first, which would call its start off. */
	if (!is_starting)
		detached_removal_on_state(daemon, project, service);
}

void detached_release(struct daemon *daemon)
{
	detached_removal_release(daemon);
	while (daemon->detached_starts.len > 0)
		forget(daemon->detached_starts.items[0]);
	array_release(&daemon->detached_starts);
}

/* --- the list --- */

/* After a restart of the machine, or of a daemon that died at the start: only the name is known. */
static json_t *unknown_container(const char *name, const char *root)
{
	json_t *object = json_object();

	json_set_str(object, "name", name);
	json_set_str(object, "root", root);
	json_set_str(object, "state", "stopped");
	json_set_str(object, "detail", "the machine was restarted; its log is there");
	return object;
}

static json_t *container_to_json(struct daemon *daemon, const char *name)
{
	cleanup_free char *root = detached_root(daemon, name);
	const struct project *project = daemon_find_project_at(daemon, root);
	cleanup_json json_t *status = project ? status_of_project(daemon, project, false) : NULL;
	json_t *object = json_array_get(json_object_get(status, "services"), 0);
	const struct service_extra *extra;
	json_t *publish, *args;

	if (!object)
		return unknown_container(name, root);
	extra = &project->extras.items[0];
	publish = (json_t *)published(extra->bundle);
	args = json_object_get(extra->bundle, "args");
	json_set_str(object, "root", root);
	json_set_str(object, "image", json_get_str(extra->bundle, "image", ""));
	json_object_set_new(object, "argv", args ? json_incref(args) : json_array());
	json_object_set_new(object, "publish", publish ? json_incref(publish) : json_array());
	json_set_bool(object, "rm", extra->is_removed_after);
	return json_incref(object);
}

void detached_list(struct daemon *daemon, struct http_exchange *x)
{
	cleanup_free char *dir = paths_detached_dir(&daemon->paths);
	cleanup(strv_release) struct strv names = STRV_INIT;
	json_t *object = json_object(), *containers = json_array();

	fs_names(dir, &names);
	for (size_t i = 0; i < names.len; i++)
		json_array_append_new(containers, container_to_json(daemon, names.items[i]));
	json_set_int(object, "schema", 1);
	json_object_set_new(object, "containers", containers);
	reply_json(x, 200, object);
}
