#include "daemon/compose.h"

#include "api/paths.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/strbuf.h"
#include "config/environment.h"
#include "daemon/compose_network.h"
#include "daemon/container_plan.h"
#include "daemon/managed.h"
#include "daemon/project.h"
#include "service/port_holder.h"
#include "service/port_pool.h"

/* What the callbacks of config/environment.h look at. */
struct composer {
	const struct compose_request *request;
	struct project *project;
	ARRAY(struct strv) injected; /* at the index of the plan */
	size_t current;              /* the plan whose environment is being made */
};

enum service_mode compose_mode(const struct compose_request *request,
                               const struct service_config *service)
{
	if (request->host && strv_has(request->host, service->name))
		return MODE_HOST;
	if (request->container && strv_has(request->container, service->name))
		return MODE_CONTAINER;
	return service->mode;
}

char *compose_image_name(const struct compose_request *request,
                         const struct service_config *service)
{
	/* The hash at the end of the id must not be lost to the length of a label. */
	size_t hash = strlen(request->project_id);
	cleanup_free char *project = NULL, *label = NULL, *name = config_make_label(service->name);

	if (!service->build.is_set && service->image)
		return xstrdup(service->image);
	while (hash > 0 && request->project_id[hash - 1] != '-')
		hash--;
	project = xstrndup(request->project_id, hash);
	label = config_make_label(project);
	return xasprintf("locald/%s-%s/%s:latest", label ? label : "project",
	                 request->project_id + hash, name);
}

/* --- ports and URLs --- */

/* Nobody fixed that port, so it may change, but whoever has written it down is to know. */
static void tell_moved(const struct compose_request *request, const char *service, int from, int to)
{
	struct port_holder holder;
	json_t *moved;

	if (!request->moved)
		return;
	moved = json_object();
	json_set_str(moved, "service", service);
	json_set_int(moved, "from", from);
	json_set_int(moved, "to", to);
	if (port_holder_find(from, &holder)) {
		cleanup_free char *who = port_holder_text(&holder);

		json_set_str(moved, "held_by", who);
		port_holder_release(&holder);
	}
	json_array_append_new(request->moved, moved);
}

static int port_of(struct composer *composer, const struct service_config *service,
                   const char *name, struct error *err)
{
	const struct compose_request *request = composer->request;
	cleanup_free char *owner = NULL;
	int port, other;

	if (service->type == SERVICE_WORKER || config_is_job(service) ||
	    (service->network == NETWORK_NONE && compose_mode(request, service) == MODE_CONTAINER))
		return 0;
	if (request->moved_service && str_eq(request->moved_service, name))
		return request->moved_port;
	if (service->port)
		return service->port; /* a stranger on it is refused, and named, at the start */
	owner = xasprintf("%s/%s", request->project_id, name);
	port = port_pool_take(request->ports, owner, err);
	if (port < 0 || request->is_live(name, request->data) ||
	    request->ports->is_free(port, request->ports->data))
		return port;
	other = port_pool_move(request->ports, owner, err);
	if (other > 0)
		tell_moved(request, name, port, other);
	return other;
}

/* The service that answers on the project's own name: `web`, or the one named like it. */
static bool is_main(const struct project_config *config, const struct service_config *service)
{
	if (project_service(config, "web"))
		return str_eq(service->name, "web");
	if (project_service(config, config->name))
		return str_eq(service->name, config->name);
	return config->services.len == 1;
}

static void name_hosts(struct composer *composer, const struct service_config *service,
                       struct service_extra *extra)
{
	const struct project_config *config = composer->request->config;
	cleanup_free char *label = config_make_label(service->name);

	strv_addf(&extra->hosts, "%s.%s", label, config->domain);
	if (is_main(config, service))
		strv_add(&extra->hosts, config->domain);
}

static enum service_type type_of(const struct composer *composer, const struct service_plan *plan)
{
	return project_service(composer->request->config, plan_service(plan))->type;
}

static char *detail_of(const char *service, const char *name, void *data)
{
	struct composer *composer = data;
	int i = project_index(composer->project, service);
	const struct service_plan *plan = i < 0 ? NULL : &composer->project->plans.items[i];

	cleanup_free char *host =
		compose_network_host(composer->project, composer->current, service);

	return plan ? managed_detail(type_of(composer, plan), name, host, plan->port) : NULL;
}

static char *url_of(const char *service, void *data)
{
	struct composer *composer = data;
	int i = project_index(composer->project, service);
	const struct service_plan *plan = i < 0 ? NULL : &composer->project->plans.items[i];
	cleanup_free char *host =
		compose_network_host(composer->project, composer->current, service);

	if (!plan || !plan->has_port)
		return NULL;
	if (managed_is_kind(type_of(composer, plan)))
		return detail_of(service, "url", data);
	/* Programs call each other directly: no name has to resolve, no proxy has to run. */
	return xasprintf("http://%s:%d", host,
	                 compose_network_port(composer->project, composer->current, service));
}

static char *host_of(const char *service, void *data)
{
	const struct composer *composer = data;

	return compose_network_host(composer->project, composer->current, service);
}

static int service_port_of(const char *service, void *data)
{
	const struct composer *composer = data;

	return compose_network_port(composer->project, composer->current, service);
}

static const struct strv *injected_of(const char *service, void *data)
{
	struct composer *composer = data;
	int i = project_index(composer->project, service);

	/* To a replica its own; to others those of the first. */
	if (str_eq(service, plan_service(&composer->project->plans.items[composer->current])))
		i = (int)composer->current;
	return i < 0 ? NULL : &composer->injected.items[i];
}

static void inject(struct composer *composer, size_t i)
{
	const struct service_plan *plan = &composer->project->plans.items[i];
	cleanup_free char *url =
		service_url(&composer->project->extras.items[i], composer->request->proxy_port);
	struct strv *env = array_add(&composer->injected);

	strv_env_set(env, "LOCALD", "1");
	strv_env_set(env, "LOCALD_SERVICE", plan->name);
	strv_env_set(env, "LOCALD_PROJECT", composer->project->name);
	strv_env_set(env, "HOST", "127.0.0.1");
	if (plan->has_port) {
		cleanup_free char *port =
			xasprintf("%d", plan->has_own_network ? plan->inside_port : plan->port);

		strv_env_set(env, "PORT", port);
	}
	if (url)
		strv_env_set(env, "LOCALD_URL", url);
}

/* --- one plan --- */

static void set_command(const struct config_command *command, struct strv *argv)
{
	if (command->shell) {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
		strv_add(argv, command->shell);
		return;
	}
	strv_copy(argv, &command->argv);
}

static void set_site(const struct compose_request *request, const struct service_config *service,
                     struct strv *argv)
{
	strv_add(argv, request->self);
	strv_add(argv, "site");
	strv_add(argv, service->path);
}

static int set_managed(const struct compose_request *request, const struct service_config *service,
                       struct service_plan *plan, json_t **ret_data, struct diagnostics *diags,
                       struct error *err)
{
	cleanup_free char *data =
		paths_service_data(request->paths, request->project_id, service->name);
	cleanup_free char *run =
		paths_service_run(request->paths, request->project_id, service->name);
	const struct managed_request managed = {service, data, run, request->shell_env, plan->port};

	return managed_plan(&managed, plan, ret_data, diags, err);
}

/* A dependency on a service is one on each of its replicas. */
static void set_deps(const struct project_config *config, const struct service_config *service,
                     struct service_plan *plan)
{
	static const enum dep_condition conditions[] = {
		[DEPENDENCY_READY] = DEP_READY,
		[DEPENDENCY_STARTED] = DEP_STARTED,
		[DEPENDENCY_COMPLETED] = DEP_COMPLETED,
	};

	array_foreach(from, &service->depends_on.list) {
		const struct service_config *on = project_service(config, from->service);

		for (int i = 0; i < on->replicas; i++)
			*array_add(&plan->deps) = (struct plan_dep){service_replica_name(on, i),
			                                            conditions[from->until]};
	}
}

static void set_health(const struct service_config *service, struct service_plan *plan)
{
	static const enum plan_health_kind kinds[] = {
		[HEALTH_DEFAULT] = PLAN_HEALTH_DEFAULT, [HEALTH_HTTP] = PLAN_HEALTH_HTTP,
		[HEALTH_TCP] = PLAN_HEALTH_TCP,         [HEALTH_COMMAND] = PLAN_HEALTH_COMMAND,
		[HEALTH_LOG] = PLAN_HEALTH_LOG,         [HEALTH_NOTIFY] = PLAN_HEALTH_NOTIFY,
	};
	const struct health_config *health = &service->health;

	plan->health.kind = kinds[health->type];
	free(plan->health.path);
	plan->health.path = xstrdup_null(health->path);
	plan->health.pattern = xstrdup_null(health->pattern);
	set_command(&health->command, &plan->health.argv);
	plan->health.interval_ms = health->interval_ms;
	plan->health.timeout_ms = health->timeout_ms;
	plan->health.start_period_ms = health->start_period_ms;
	plan->health.retries = health->retries;
	plan->health.restart = health->restart;
}

static void set_stop(const struct service_config *service, struct service_plan *plan)
{
	plan->stop_signal = service->stop_signal;
	plan->stop_timeout_ms = service->stop_timeout_ms;
	set_command(&service->stop_command, &plan->stop_argv);
}

static void set_restart(const struct service_config *service, struct service_plan *plan)
{
	static const enum plan_restart policies[] = {
		[RESTART_NO] = PLAN_RESTART_NO,
		[RESTART_ON_FAILURE] = PLAN_RESTART_ON_FAILURE,
		[RESTART_ALWAYS] = PLAN_RESTART_ALWAYS,
	};

	plan->restart = policies[service->restart];
	plan->max_restarts = service->max_restarts;
	plan->schedule = xstrdup_null(service->schedule);
	plan->every_ms = service->every_ms;
	array_foreach(code, &service->success_codes.list)
		*array_add(&plan->success_codes) = *code;
}

static json_t *env_to_json(const struct strv *env)
{
	json_t *object = json_object();

	for (size_t i = 0; i < env->len; i++) {
		const char *equals = strchr(env->items[i], '=');
		cleanup_free char *name = xstrndup(env->items[i], (size_t)(equals - env->items[i]));

		json_set_str(object, name, equals + 1);
	}
	return object;
}

/*
 * What the container runs.  Empty: what its image says.  A built image is always
 * entered through the launcher, so that the buildpacks' environment is there.
 */
static void set_container_args(const struct service_config *service, struct strv *args,
                               bool *ret_keep_entrypoint)
{
	bool is_built = service->build.is_set;

	*ret_keep_entrypoint = !service->has_entrypoint && !is_built;
	strv_copy(args, &service->entrypoint);
	if (service->command_origin == COMMAND_PROCFILE && is_built) {
		strv_addf(args, "/cnb/process/%s", service->name);
	} else if (service->command_origin == COMMAND_CONFIG && is_built) {
		strv_add(args, "/cnb/lifecycle/launcher");
		strv_add(args, service->command.shell ? service->command.shell : "--");
		strv_copy(args, &service->command.argv);
	} else if (service->command_origin == COMMAND_CONFIG) {
		set_command(&service->command, args);
	}
}

/* What the bundle job is told; paths are added when the container is prepared. */
static json_t *bundle_of(const struct compose_request *request,
                         const struct service_config *service, const struct strv *env)
{
	cleanup_free char *image = compose_image_name(request, service);
	cleanup(strv_release) struct strv args = STRV_INIT;
	json_t *bundle = json_object();
	bool keep_entrypoint;

	set_container_args(service, &args, &keep_entrypoint);
	json_set_str(bundle, "image", image);
	json_object_set_new(bundle, "env", env_to_json(env));
	if (args.len > 0) {
		json_object_set_new(bundle, "args", json_from_strv(&args));
		json_set_bool(bundle, "keep_entrypoint", keep_entrypoint);
	}
	json_set_bool(bundle, "terminal", service->tty);
	if (service->user)
		json_set_str(bundle, "user", service->user);
	if (!service->build.is_set && service_place_of(service, "workdir"))
		json_set_str(bundle, "cwd", service->workdir);
	return bundle;
}

static json_t *env_list_to_json(const struct env_list *env)
{
	json_t *object = json_object();

	array_foreach(entry, &env->list)
		json_set_str(object, entry->name, entry->value);
	return object;
}

/*
 * The shell's environment is left out: another terminal's SHLVL is no reason to
 * restart anything.  What the configuration takes from it (${env.X}) is in.
 */
static void set_fingerprint(const struct compose_request *request,
                            const struct service_config *service, const struct strv *env,
                            struct service_plan *plan, struct service_extra *extra)
{
	cleanup(strv_release) struct strv lasting = STRV_INIT;
	cleanup_json json_t *all = json_object();
	json_t *config = service_to_json(service);
	cleanup_free char *text = NULL;
	char digest[SHA256_DIGEST_SIZE];

	/* Nor is a proxy that had to take another port. */
	strv_copy(&lasting, env);
	strv_env_unset(&lasting, "LOCALD_URL");
	/* Nor are more or fewer of the same. */
	json_object_del(config, "replicas");
	/* Nor is what only the daemon does with its files. */
	json_object_del(config, "watch");
	json_object_del(config, "watch_ignore");
	json_object_del(config, "debounce");
	json_object_set_new(all, "config", config);
	json_object_set_new(all, "env", json_from_raw_strv(&lasting));
	json_set_str(all, "cwd", plan->cwd);
	json_set_int(all, "mode", plan->mode);
	json_set_int(all, "port", plan->port);
	if (plan->has_own_network)
		json_set_int(all, "inside_port", plan->inside_port);
	if (plan->mode == PLAN_CONTAINER)
		json_set_str(all, "image", json_get_str(request->images, service->name, NULL));
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	sha256_digest_of(text, strlen(text), digest);
	plan->fingerprint = xstrdup(digest);
	/* Only to be shown. */
	json_object_set_new(all, "shared_env", env_list_to_json(&request->config->env));
	extra->made_of = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
}

static int check_workdir(const struct service_config *service, struct diagnostics *diags)
{
	struct diagnostic *diag;

	if (fs_is_dir(service->workdir))
		return 0;
	diag = diag_add(diags, "C040", "the working directory of `%s` is not there: %s",
	                service->name, service->workdir);
	diag_at_place(diag, service_place_of(service, "workdir"), NULL);
	return -1;
}

static int fill_plan(struct composer *composer, size_t i, struct diagnostics *diags,
                     struct error *err)
{
	const struct compose_request *request = composer->request;
	const struct environment_source source = {
		.shell = request->shell_env,
		.injected = injected_of,
		.url = url_of,
		.host = host_of,
		.port = service_port_of,
		.detail = detail_of,
		.data = composer,
	};
	struct service_plan *plan = &composer->project->plans.items[i];
	struct service_extra *extra = &composer->project->extras.items[i];
	const struct service_config *service = project_service(request->config, plan_service(plan));
	cleanup(strv_release) struct strv own = STRV_INIT;
	json_t *network;

	composer->current = i;
	if (environment_make(request->config, service, &source, false, &own, diags, err) < 0)
		return -1;
	watch_rule_init(&extra->watch, service);
	set_fingerprint(request, service, &own, plan, extra);
	if (plan->mode == PLAN_CONTAINER) {
		extra->image = xstrdup_null(json_get_str(request->images, service->name, NULL));
		extra->image_defaults =
			json_incref(json_object_get(request->image_defaults, service->name));
		extra->bundle = bundle_of(request, service, &own);
		network = compose_network(composer->project, i, service);
		if (network)
			json_object_set_new(extra->bundle, "network", network);
		plan->needs_prepare = true;
		return container_plan_bundle(request, service, extra->bundle, diags, err);
	}
	if (check_workdir(service, diags) < 0)
		return diag_to_error(diags, err);
	if (service->type == SERVICE_SITE)
		set_site(request, service, &plan->argv);
	else if (managed_is_kind(service->type) &&
	         set_managed(request, service, plan, &composer->project->extras.items[i].data,
	                     diags, err) < 0)
		return -1;
	else
		set_command(&service->command, &plan->argv);
	return environment_make(request->config, service, &source, true, &plan->env, diags, err);
}

/* Where a user would say which port: at the key, or in the table of the service. */
static void set_port_place(const struct service_config *service, struct service_plan *plan)
{
	const struct config_place *set = service_place_of(service, "port");
	const struct config_file *file = set ? set->file : service->file;

	plan->is_port_set = service->port > 0;
	if (file && str_ends(file->name, ".toml"))
		plan->port_place = xasprintf("%s:%d", file->name,
		                             set ? (int)set->pos.line : (int)service->pos.line);
}

static int start_plan(struct composer *composer, const struct service_config *service, int replica,
                      struct error *err)
{
	cleanup_free char *name = service_replica_name(service, replica);
	struct project *project = composer->project;
	struct service_plan *plan = array_add(&project->plans);
	struct service_extra *extra = array_add(&project->extras);
	bool is_container = compose_mode(composer->request, service) == MODE_CONTAINER;

	service_plan_init(plan, name);
	plan->group = service->replicas > 1 ? xstrdup(service->name) : NULL;
	plan->mode = is_container ? PLAN_CONTAINER : PLAN_HOST;
	plan->cwd = xstrdup(is_container ? project->root : service->workdir);
	plan->oneshot = service->oneshot;
	set_restart(service, plan);
	plan->tty = service->tty;
	plan->has_stdin = service->has_stdin;
	plan->log_bytes = service->log_bytes;
	set_stop(service, plan);
	set_deps(composer->request->config, service, plan);
	set_health(service, plan);
	if (is_container && container_plan_adapt(composer->request, service, plan, err) < 0)
		return -1;
	plan->port = port_of(composer, service, name, err);
	if (plan->port < 0)
		return -1;
	plan->has_port = plan->port > 0;
	compose_network_plan(service, is_container, plan);
	set_port_place(service, plan);
	/* A database speaks no HTTP: the proxy has nothing to do with it. */
	if (plan->has_port && !managed_is_kind(service->type))
		name_hosts(composer, service, extra);
	return 0;
}

int compose_plans(const struct compose_request *request, struct project *project,
                  struct diagnostics *diags, struct error *err)
{
	struct composer composer = {.request = request, .project = project};
	const struct project_config *config = request->config;
	int result = 0;

	/* Two passes: an environment may speak of any service's port. */
	array_foreach(service, &config->services)
		for (int i = 0; i < (*service)->replicas && result == 0; i++)
			result = start_plan(&composer, *service, i, err);
	for (size_t i = 0; i < project->plans.len; i++)
		inject(&composer, i);
	for (size_t i = 0; i < project->plans.len && result == 0; i++)
		result = fill_plan(&composer, i, diags, err);
	array_foreach(env, &composer.injected)
		strv_release(env);
	array_release(&composer.injected);
	return result;
}
