#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/testing.h"
#include "config/selection.h"
#include "daemon/compose.h"
#include "daemon/image_task.h"
#include "daemon/live.h"
#include "daemon/project_op_internal.h"
#include "daemon/proxy_worker.h"
#include "daemon/reply.h"
#include "daemon/run.h"
#include "daemon/state_db.h"

#define IMAGE_TASKS_MAX 2

static void apply(struct project_op *op);

/* --- reading the request --- */

static int read_lists(struct project_op *op, const json_t *request, struct error *err)
{
	const struct {
		const char *key;
		struct strv *list;
	} lists[] = {
		{"services", &op->services},         {"env", &op->context.shell_env},
		{"host", &op->context.host},         {"container", &op->context.container},
		{"profiles", &op->context.profiles}, {"formation", &op->context.formation},
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (json_to_strv(json_object_get(request, lists[i].key), lists[i].key,
		                 lists[i].list, err) < 0)
			return -1;
	return 0;
}

static int check_names(const struct project_config *config, const struct strv *names,
                       struct error *err)
{
	cleanup(strv_release) struct strv known = STRV_INIT;

	array_foreach(service, &config->services)
		strv_add(&known, (*service)->name);
	return service_names_check(names, &known, config->name, err);
}

/* Typing `up` is consent: what was run is remembered by its content. */
int project_op_approve(struct project_op *op, struct error *err)
{
	char digest[SHA256_DIGEST_SIZE];

	config_inputs_digest(&op->inputs, digest);
	return state_db_approve(op->daemon->db, op->config->root, digest, clock_real_ns(), err);
}

static bool is_live(const char *service, void *data)
{
	const struct project_op *op = data;
	struct service_snapshot now;

	return supervisor_find(op->daemon->supervisor, op->project_id, service, &now) &&
	       service_state_is_live(now.state);
}

struct compose_request project_op_compose_request(struct project_op *op)
{
	return (struct compose_request){
		.config = op->config,
		.shell_env = &op->context.shell_env,
		.host = &op->context.host,
		.container = &op->context.container,
		.images = op->images,
		.image_defaults = op->image_defaults,
		.project_id = op->project_id,
		.self = op->daemon->self,
		.paths = &op->daemon->paths,
		.ports = &op->daemon->ports,
		.moved = op->moved,
		.proxy_port = op->daemon->proxy ? proxy_worker_port(op->daemon->proxy) : 0,
		.is_live = is_live,
		.data = op,
	};
}

/* --- which services --- */

void project_op_add_with_dependencies(const struct project_op *op, const char *name,
                                      struct strv *out)
{
	const struct service_config *service = project_service(op->config, name);

	if (!service || strv_has(out, name))
		return;
	strv_add(out, name);
	if (op->context.no_deps)
		return;
	array_foreach(dep, &service->depends_on.list)
		project_op_add_with_dependencies(op, dep->service, out);
}

static bool is_service_live(const struct project_op *op, const char *service)
{
	const struct project *project = daemon_find_project(op->daemon, op->project_id);

	if (!project)
		return false;
	array_foreach(plan, &project->plans) {
		struct service_snapshot now;

		if (str_eq(plan_service(plan), service) &&
		    supervisor_find(op->daemon->supervisor, op->project_id, plan->name, &now) &&
		    service_state_is_live(now.state))
			return true;
	}
	return false;
}

/* What runs and depends on one of the names, however many steps away. */
static void add_dependents(const struct project_op *op, struct strv *names)
{
	bool did = true;

	while (did) {
		did = false;
		array_foreach(service, &op->config->services) {
			const char *name = (*service)->name;

			if (strv_has(names, name) || !is_service_live(op, name))
				continue;
			array_foreach(dep, &(*service)->depends_on.list) {
				if (!strv_has(names, dep->service))
					continue;
				strv_add(names, name);
				did = true;
				break;
			}
		}
	}
}

/* A restart is of what was named, and with_dependents of what depends on that. */
static void choose_forced(struct project_op *op)
{
	if (!op->force_restart)
		return;
	if (op->with_dependents)
		add_dependents(op, &op->services);
	strv_copy(&op->forced, &op->services);
}

/* Without names it is for the services that a plain `up` is for. */
static void choose_services(struct project_op *op)
{
	cleanup(strv_release) struct strv asked = STRV_INIT;

	strv_copy(&asked, &op->services);
	if (asked.len == 0)
		array_foreach(service, &op->config->services)
			if (service_is_wanted(*service, &op->context.profiles))
				strv_add(&asked, (*service)->name);
	strv_release(&op->services);
	for (size_t i = 0; i < asked.len; i++)
		project_op_add_with_dependencies(op, asked.items[i], &op->services);
}

static void choose_images(struct project_op *op)
{
	const struct compose_request request = project_op_compose_request(op);

	for (size_t i = 0; i < op->services.len; i++) {
		const struct service_config *service =
			project_service(op->config, op->services.items[i]);
		bool wanted = op->build_only ? service->build.is_set
		                             : compose_mode(&request, service) == MODE_CONTAINER;

		if (wanted)
			strv_add(&op->images_wanted, service->name);
	}
}

/* --- images --- */

static void leave_out(struct strv *services, const char *name)
{
	for (size_t i = 0; i < services->len; i++) {
		if (!str_eq(services->items[i], name))
			continue;
		free(services->items[i]);
		/* The terminating NULL moves too. */
		memmove(services->items + i, services->items + i + 1,
		        (services->len - i) * sizeof(*services->items));
		services->len--;
		return;
	}
}

static void on_image_line(json_t *line, void *data)
{
	struct project_op *op = data;

	reply_line(op->x, json_incref(line));
}

static void on_image_done(const char *service, const json_t *result, const struct error *err,
                          void *data)
{
	struct project_op *op = data;

	array_foreach(task, &op->tasks) {
		if (!str_eq(image_task_service(*task), service))
			continue;
		array_remove(&op->tasks, task);
		break;
	}
	fault_point("image.made");
	project_op_mark_building(op, service, false);
	if (!err) {
		json_set_str(op->images, service, json_get_str(result, "digest", ""));
		json_object_set(op->image_defaults, service, json_object_get(result, "defaults"));
		reply_line(op->x,
		           json_pack("{s:s, s:s, s:s, s:O}", "event", "image", "service", service,
		                     "image", json_get_str(result, "image", ""), "result", result));
	} else if (!op->image_error.code) {
		error_set(&op->image_error, err->code, "%s", err->text);
		if (err->hint)
			error_hint(&op->image_error, "%s", err->hint);
	}
	project_op_next_images(op);
}

static const struct image_task_events image_callbacks = {.on_line = on_image_line,
                                                         .on_done = on_image_done};

static int start_image(struct project_op *op, const char *service, struct error *err)
{
	const struct compose_request request = project_op_compose_request(op);
	struct image_task *task =
		image_task_start(op->daemon, &request, project_service(op->config, service),
	                         &image_callbacks, op, &op->diags, err);

	if (!task)
		return -1;
	fault_point("image.begun");
	*array_add(&op->tasks) = task;
	project_op_mark_building(op, service, true);
	return 0;
}

static char *take_first(struct strv *list)
{
	char *first = list->items[0];

	/* The terminating NULL moves too. */
	memmove(list->items, list->items + 1, list->len * sizeof(*list->items));
	list->len--;
	return first;
}

void project_op_drop_service(struct project_op *op, const char *service)
{
	leave_out(&op->services, service);
	leave_out(&op->images_wanted, service);
	array_foreach(task, &op->tasks) {
		if (!str_eq(image_task_service(*task), service))
			continue;
		project_op_mark_building(op, service, false);
		image_task_cancel(*task);
		array_remove(&op->tasks, task);
		break;
	}
}

/* Starts what may start; when all are done goes on, or ends with the first failure. */
void project_op_next_images(struct project_op *op)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	while (!op->image_error.code && op->images_wanted.len > 0 &&
	       op->tasks.len < IMAGE_TASKS_MAX) {
		cleanup_free char *service = take_first(&op->images_wanted);

		if (start_image(op, service, &op->image_error) < 0)
			break;
	}
	if (op->tasks.len > 0)
		return;
	if (op->image_error.code) {
		error_move(&err, &op->image_error);
		project_op_finish(op, &err, NULL);
	} else if (op->build_only) {
		project_op_finish(op, NULL, json_pack("{s:O}", "digests", op->images));
	} else {
		apply(op);
	}
}

/* --- apply --- */

static int put_plans(struct project_op *op, struct project **ret, struct error *err)
{
	const struct compose_request request = project_op_compose_request(op);
	struct project *project =
		project_new(op->project_id, op->config->root, op->config->name, op->config->domain);

	if (compose_plans(&request, project, &op->diags, err) < 0) {
		project_destroy(project);
		return -1;
	}
	up_context_copy(&project->context, &op->context);
	project->inputs = op->inputs;
	op->inputs = (struct config_inputs)CONFIG_INPUTS_INIT;
	(void)str_copy(project->head, sizeof(project->head), op->head);
	if (daemon_put_project(op->daemon, project, err) < 0)
		return -1;
	live_begin(op->daemon, project);
	*ret = project;
	return 0;
}

/*
 * While the images of the first `up` are made, the project is known already: `status` shows
 * what is built, and `stop` can call it off.
 */
static int introduce(struct project_op *op, struct error *err)
{
	const struct compose_request request = project_op_compose_request(op);
	struct project *project;

	if (op->images_wanted.len == 0 || op->build_only ||
	    daemon_find_project(op->daemon, op->project_id))
		return 0;
	project =
		project_new(op->project_id, op->config->root, op->config->name, op->config->domain);
	if (compose_plans(&request, project, &op->diags, err) < 0) {
		project_destroy(project);
		return -1;
	}
	(void)str_copy(project->head, sizeof(project->head), op->head);
	if (daemon_put_project(op->daemon, project, err) < 0)
		return -1;
	return supervisor_declare(op->daemon->supervisor, project->id, project->plans.items,
	                          project->plans.len, NULL, err);
}

static void apply(struct project_op *op)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct apply_options options = {
		.subset = &op->services,
		.no_deps = op->context.no_deps,
		.force_restart = op->force_restart,
		.forced = &op->forced,
		.excluded = &op->excluded,
		.is_exact = op->is_reload,
	};
	struct project *project;

	project_op_note_live(op);
	if (op->run_service && op->services.len == 0) {
		run_begin(op);
		return;
	}
	if (put_plans(op, &project, &err) == 0 &&
	    project_resolve(project, &op->services, &err) == 0 &&
	    project_resolve(project, &op->forced, &err) == 0)
		op->supervised = supervisor_apply(op->daemon->supervisor, project->id,
		                                  project->plans.items, project->plans.len,
		                                  &options, project_op_on_done, op, &err);
	fault_point("up.applied");
	op->has_applied = op->supervised > 0;
	if (!op->supervised)
		project_op_finish(op, &err, NULL);
}

/* --- the beginning --- */

/* Services that this `up` is not about stay in the mode they were flipped to. */
static void keep_flips(const struct project_op *op, const struct strv *from, struct strv *list)
{
	for (size_t i = 0; i < from->len; i++)
		if (!strv_has(&op->services, from->items[i]) &&
		    project_service(op->config, from->items[i]) && !strv_has(list, from->items[i]))
			strv_add(list, from->items[i]);
}

static void note_head(struct project_op *op, const char *root)
{
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	if (git_head_read(root, &head, &err) < 0)
		log_warn("%s: %s", root, err.text);
	(void)str_copy(op->head, sizeof(op->head), head.commit);
}

static int load(struct project_op *op, const json_t *request, const char *root, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&op->daemon->paths);
	const struct project *known = daemon_find_project_at(op->daemon, root);

	note_head(op, root);
	op->config = project_load_noting(root, user_config, &op->inputs, &op->diags, err);
	if (!op->config || read_lists(op, request, err) < 0)
		return -1;
	if (op->run_service)
		strv_add(&op->services, op->run_service);
	if (check_names(op->config, &op->services, err) < 0 ||
	    check_names(op->config, &op->context.host, err) < 0 ||
	    check_names(op->config, &op->context.container, err) < 0 ||
	    profiles_check(op->config, &op->context.profiles, err) < 0 ||
	    formation_apply(op->config, &op->context.formation, err) < 0)
		return -1;
	profiles_from_env(&op->context.shell_env, &op->context.profiles);
	for (size_t i = 0; i < op->context.host.len; i++)
		if (strv_has(&op->context.container, op->context.host.items[i]))
			return error_set(err, ERR_USAGE, "%s: either --host or --container",
			                 op->context.host.items[i]);
	/* A renamed project keeps its id: its services run under it. */
	free(op->project_id);
	op->project_id =
		known ? xstrdup(known->id) : paths_project_id(op->config->name, op->config->root);
	choose_forced(op);
	choose_services(op);
	if (known) {
		keep_flips(op, &known->context.host, &op->context.host);
		keep_flips(op, &known->context.container, &op->context.container);
	}
	if (op->services.len == 0)
		return error_set(err, ERR_CONFIG, "%s has no service to start", op->config->name);
	choose_images(op);
	if (op->build_only && op->images_wanted.len == 0) {
		error_set(err, ERR_CONFIG, "no service with `build` in %s", op->config->name);
		return error_hint(err, "add build = { builder = \"NAME\" } to a service");
	}
	/* What the service depends on is started, and not the service. */
	if (op->run_service)
		leave_out(&op->services, op->run_service);
	return op->plan_only ? 0 : project_op_approve(op, err);
}

enum op_kind { OP_UP, OP_BUILD, OP_RUN };

static void begin(struct daemon *daemon, struct http_exchange *x, const json_t *request,
                  enum op_kind kind)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct project_op *op;
	const char *root, *run_service = NULL;

	if (json_need_str(request, "root", &root, &err) < 0 ||
	    (kind == OP_RUN && json_need_str(request, "service", &run_service, &err) < 0)) {
		reply_error(x, &err, NULL);
		return;
	}
	op = project_op_new(daemon, x, "");
	op->build_only = kind == OP_BUILD;
	op->plan_only = kind == OP_UP && json_get_bool(request, "plan", false);
	op->run_service = xstrdup_null(run_service);
	op->run_request = run_service ? json_incref((json_t *)request) : NULL;
	/* An image is built without those of the services it depends on. */
	op->context.no_deps = op->build_only || json_get_bool(request, "no_deps", false);
	op->force_restart = json_get_bool(request, "restart", false);
	op->with_dependents = json_get_bool(request, "with_dependents", false);
	if (load(op, request, root, &err) < 0 || (!op->plan_only && introduce(op, &err) < 0)) {
		reply_error(x, &err, &op->diags);
		project_op_free(op);
		return;
	}
	if (op->plan_only) {
		project_op_begin(op);
		project_op_plan(op);
		return;
	}
	fault_point("up.approved");
	project_op_cancel_reload(daemon, op->project_id, true);
	project_op_begin(op);
	project_op_next_images(op);
}

void project_op_up(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	begin(daemon, x, request, OP_UP);
}

void project_op_build(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	begin(daemon, x, request, OP_BUILD);
}

void project_op_run(struct daemon *daemon, struct http_exchange *x, const json_t *request)
{
	begin(daemon, x, request, OP_RUN);
}
