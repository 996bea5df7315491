#include "daemon/daemon.h"

#include "api/no_room.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/testing.h"
#include "daemon/container_network.h"
#include "daemon/container_plan.h"
#include "daemon/container_removal.h"
#include "daemon/container_run.h"
#include "daemon/detached.h"
#include "daemon/detached_removal.h"
#include "daemon/events.h"
#include "daemon/live.h"
#include "daemon/methods.h"
#include "daemon/prepare.h"
#include "daemon/project_op.h"
#include "daemon/proxy_worker.h"
#include "daemon/relay_worker.h"
#include "daemon/routes.h"
#include "daemon/run_container.h"
#include "daemon/state_db.h"
#include "daemon/wait.h"
#include "loop/file_watch.h"
#include "loop/loop.h"
#include "net/http_server.h"
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* Below the kernel's ephemeral range, so that nothing takes a remembered port by chance. */
#define PORT_FIRST 20000
#define PORT_LAST  29999

#define PROJECT_FILE_MAX (16u << 20)

struct project *daemon_find_project(struct daemon *daemon, const char *id)
{
	array_foreach(project, &daemon->projects)
		if (str_eq((*project)->id, id))
			return *project;
	return NULL;
}

struct project *daemon_find_project_at(struct daemon *daemon, const char *root)
{
	array_foreach(project, &daemon->projects)
		if (str_eq((*project)->root, root))
			return *project;
	return NULL;
}

/* --- what is saved --- */

static char *project_file(const struct daemon *daemon, const char *id)
{
	return xasprintf("%s/projects/%s.json", daemon->paths.run, id);
}

int daemon_save_project(struct daemon *daemon, const struct project *project, struct error *err)
{
	const struct state_project row = {project->id, project->root, project->name,
	                                  project->domain};
	cleanup_free char *dir = path_join(daemon->paths.run, "projects");
	cleanup_free char *path = project_file(daemon, project->id);
	cleanup_json json_t *object = project_to_json(project);
	cleanup_free char *text = json_text(object);

	if (fs_mkdirs_private(dir, err) < 0 ||
	    fs_write_atomic(path, text, strlen(text), 0600, err) < 0)
		return no_room_explain(err, path);
	if (state_db_put_project(daemon->db, &row, err) < 0)
		return -1;
	array_foreach(plan, &project->plans) {
		cleanup_free char *owner = xasprintf("%s/%s", project->id, plan->name);

		if (plan->has_port && !plan->is_port_set &&
		    state_db_put_port(daemon->db, owner, plan->port, err) < 0)
			return -1;
	}
	return 0;
}

int daemon_drop_saved(struct daemon *daemon, const char *id, struct error *err)
{
	cleanup_free char *path = project_file(daemon, id);

	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "%s", path);
	return state_db_drop_project(daemon->db, id, err);
}

static void replace_project(struct daemon *daemon, struct project *project)
{
	array_foreach(slot, &daemon->projects) {
		if (!str_eq((*slot)->id, project->id))
			continue;
		/* Other operations go on with their images. */
		strv_release(&project->building);
		project->building = (*slot)->building;
		(*slot)->building = (struct strv)STRV_INIT;
		project_destroy(*slot);
		*slot = project;
		return;
	}
	*array_add(&daemon->projects) = project;
}

int daemon_put_project(struct daemon *daemon, struct project *project, struct error *err)
{
	int saved = daemon_save_project(daemon, project, err);

	if (saved < 0) {
		project_destroy(project);
		return -1;
	}
	fault_point("project.saved");
	replace_project(daemon, project);
	return 0;
}

static void restore_port(const char *owner, int port, void *data)
{
	struct daemon *daemon = data;

	port_pool_restore(&daemon->ports, owner, port);
}

struct memory_list {
	ARRAY(struct service_memory) items;
};

static void collect_memory(const struct state_run *run, void *data)
{
	struct memory_list *memory = data;

	*array_add(&memory->items) = (struct service_memory){
		.service = xstrdup(run->service),
		.run = run->run,
		.fingerprint = xstrdup_null(run->fingerprint),
		.wanted = run->wanted,
		.ready = run->ready,
	};
}

static int adopt_project(struct daemon *daemon, struct project *project, struct error *err)
{
	struct memory_list memory = {0};
	int result = state_db_each_run(daemon->db, project->id, collect_memory, &memory, err);
	bool is_approved = detached_is(daemon, project) || live_is_approved(daemon, project);

	/* What runs goes on; what does not is not started with content nobody has agreed to. */
	array_foreach(item, &memory.items) {
		item->is_held = item->wanted && !is_approved;
		project->is_held |= item->is_held;
	}
	if (result == 0)
		result = supervisor_adopt(daemon->supervisor, project->id, project->plans.items,
		                          project->plans.len, memory.items.items, memory.items.len,
		                          err);
	array_foreach(item, &memory.items) {
		free((void *)item->service);
		free((void *)item->fingerprint);
	}
	array_release(&memory.items);
	return result;
}

/* Takes up one project of the database; a saved file that cannot be read loses only its plans. */
static void restore_project(const struct state_project *row, void *data)
{
	struct daemon *daemon = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = project_file(daemon, row->id);
	cleanup_json json_t *object = NULL;
	struct project *project = NULL;

	if (fs_exists(path)) {
		object = json_parse_file(path, PROJECT_FILE_MAX, &err);
		project = object ? project_from_json(object, &err) : NULL;
		if (!project)
			log_warn("project %s: %s", row->id, err.text);
	}
	/* Without the file (a reboot) the project is known, with no services until the next up. */
	if (!project)
		project = project_new(row->id, row->root, row->name, row->domain);
	replace_project(daemon, project);
	if (adopt_project(daemon, project, &err) < 0)
		log_err("project %s: %s", row->id, err.text);
}

/* --- the first second of a daemon that finds services running --- */

#define SETTLE_MAX_MS 1000

static void count_unsettled(const char *project, const struct service_snapshot *service, void *data)
{
	bool is_looking = service->state == SERVICE_STARTING;
	bool is_unprobed = service->state == SERVICE_RUNNING && !service->ready;

	*(size_t *)data += is_looking || is_unprobed;
}

static bool is_settled(struct daemon *daemon)
{
	size_t unsettled = 0;

	supervisor_each(daemon->supervisor, NULL, count_unsettled, &unsettled);
	return unsettled == 0;
}

static void on_settle_timeout(struct loop_source *source, void *data)
{
	struct daemon *daemon = data;

	loop_stop(daemon->loop, 0);
}

/*
 * Whoever started us asks `status` next: keepers are given a moment to answer, so that
 * services that never stopped are never shown as anything but running.
 */
static int settle(struct daemon *daemon, struct error *err)
{
	struct loop_source *timer;
	int result;

	if (is_settled(daemon))
		return 0;
	daemon->is_settling = true;
	timer = loop_add_timer(daemon->loop, SETTLE_MAX_MS, on_settle_timeout, daemon);
	result = loop_run(daemon->loop, err);
	loop_source_free(timer);
	daemon->is_settling = false;
	return result;
}

/* --- callbacks of the supervisor --- */

static void on_state(const char *project, const struct service_snapshot *service, void *data)
{
	struct daemon *daemon = data;
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct state_run run = {
		.service = service->plan->name,
		.run = service->run,
		.fingerprint = service->fingerprint,
		.wanted = service->wanted,
		.ready = service->ready,
	};

	if (state_db_put_run(daemon->db, project, &run, &err) < 0)
		log_err("%s", err.text);
	daemon_routes_changed(daemon);
	project_ops_on_state(daemon, project, service);
	waits_on_state(daemon);
	events_on_state(daemon, project, service);
	/* What is left of a container says whether it ever ran. */
	detached_on_state(daemon, project, service);
	container_removal_on_state(daemon, project, service);
	if (daemon->is_settling && is_settled(daemon))
		loop_stop(daemon->loop, 0);
}

static void on_prepare(const char *project, const struct service_plan *plan, uint64_t token,
                       void *data)
{
	prepare_begin(data, project, plan, token);
}

static void on_cancel_prepare(uint64_t token, void *data)
{
	prepare_cancel(data, token);
}

static char *explain_end(const char *project, const struct service_plan *plan, void *data)
{
	const struct daemon *daemon = data;

	return plan->mode == PLAN_CONTAINER ? container_reason(&daemon->paths, project, plan->name)
	                                    : NULL;
}

static void on_ports(const char *project, void *data)
{
	daemon_routes_changed(data);
}

static void on_open_port(const char *project, const struct service_plan *plan, int inside_port,
                         void *data)
{
	struct daemon *daemon = data;
	cleanup_free char *id = container_id(project, plan->name);

	relay_worker_open(daemon->relay, id, inside_port);
}

static const struct supervisor_events supervisor_callbacks = {
	.on_state = on_state,
	.prepare = on_prepare,
	.cancel_prepare = on_cancel_prepare,
	.explain_end = explain_end,
	.on_ports = on_ports,
	.open_port = on_open_port,
};

static char *keeper_path(const char *project, const char *service, void *data)
{
	const struct daemon *daemon = data;
	char *path = paths_keeper_sock(&daemon->paths, project, service);

	path[strlen(path) - strlen(".sock")] = '\0';
	return path;
}

static char *log_dir(const char *project, const char *service, void *data)
{
	const struct daemon *daemon = data;

	return paths_log_dir(&daemon->paths, project, service);
}

static char *notify_path(const char *project, const char *service, void *data)
{
	const struct daemon *daemon = data;

	return paths_keeper_notify(&daemon->paths, project, service);
}

/* --- routes --- */

void daemon_routes_send(struct daemon *daemon)
{
	/* What the proxy has is better than what is known before the keepers have answered. */
	if (!daemon->are_routes_due || !daemon->proxy || daemon->is_settling)
		return;
	daemon->are_routes_due = false;
	proxy_worker_routes(daemon->proxy, routes_make(daemon, ++daemon->routes_version));
}

static void on_routes_due(struct loop_source *source, void *data)
{
	daemon_routes_send(data);
}

void daemon_routes_changed(struct daemon *daemon)
{
	daemon->are_routes_due = true;
	loop_timer_set(daemon->route_timer, 0);
}

/* --- life --- */

static void on_signal(struct loop_source *source, int signo, void *data)
{
	struct daemon *daemon = data;

	log_info("%s: leaving, services go on", strsignal(signo));
	daemon->is_leaving = true;
	loop_stop(daemon->loop, 0);
}

static int watch_signals(struct daemon *daemon, struct error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (loop_add_signal(daemon->loop, signals[i], on_signal, daemon,
		                    &daemon->signals[i], err) < 0)
			return -1;
	/* Keepers, and what lost its keeper. */
	return loop_reap_orphans(daemon->loop, &daemon->orphans, err);
}

static int find_programs(struct daemon *daemon, struct error *err)
{
	daemon->self = paths_self();
	daemon->keeper = paths_libexec("locald-keeper", err);
	return daemon->keeper ? 0 : -1;
}

static int open_state(struct daemon *daemon, struct error *err)
{
	cleanup_free char *path = paths_state_db(&daemon->paths);

	daemon->db = state_db_open(path, err);
	if (!daemon->db)
		return -1;
	daemon->ports = (struct port_pool){.first = PORT_FIRST,
	                                   .last = PORT_LAST,
	                                   .is_spread = true,
	                                   .is_free = port_probe_loopback};
	return state_db_each_port(daemon->db, restore_port, daemon, err);
}

static pid_t relay_pid(void *data)
{
	const struct daemon *daemon = data;

	return relay_worker_pid(daemon->relay);
}

static void start_supervisor(struct daemon *daemon)
{
	const struct supervisor_paths paths = {
		.keeper = keeper_path, .log_dir = log_dir, .notify = notify_path, .data = daemon};

	daemon->world_loop = (struct world_loop){.loop = daemon->loop,
	                                         .keeper_path = daemon->keeper,
	                                         .relay_pid = relay_pid,
	                                         .relay_data = daemon};
	daemon->world = world_loop_make(&daemon->world_loop);
	daemon->supervisor = supervisor_new(&daemon->world, &paths, &supervisor_callbacks, daemon);
}

static void on_new_relay(void *data)
{
	container_networks_register(data);
	run_containers_register(data);
}

static void start_relay(struct daemon *daemon)
{
	const struct relay_worker_events events = {.on_new = on_new_relay, .data = daemon};

	daemon->relay = relay_worker_new(daemon->loop, daemon->self, &daemon->paths, &events);
}

/* What was changed while no daemon looked is read now. */
static void watch_projects(struct daemon *daemon)
{
	array_foreach(project, &daemon->projects) {
		if ((*project)->inputs.list.len == 0)
			continue;
		live_begin(daemon, *project);
		live_check(daemon, (*project)->id);
	}
}

int daemon_init(struct daemon *daemon, struct error *err)
{
	cleanup(error_release) struct error no_watch = ERROR_INIT;
	cleanup(error_release) struct error no_proxy = ERROR_INIT;

	daemon->started_real_ns = clock_real_ns();
	daemon->started_boot_ns = clock_boot_ns();
	daemon->route_timer = loop_add_timer(daemon->loop, -1, on_routes_due, daemon);
	if (find_programs(daemon, err) < 0 || watch_signals(daemon, err) < 0 ||
	    open_state(daemon, err) < 0)
		return -1;
	daemon->proxy = proxy_worker_new(daemon->loop, daemon->self, &daemon->paths, &no_proxy);
	if (!daemon->proxy)
		log_err("no URLs: %s", no_proxy.text);
	start_relay(daemon);
	start_supervisor(daemon);
	daemon->files = file_watch_new(daemon->loop, &no_watch);
	if (!daemon->files)
		log_warn("files are looked at again and again: %s", no_watch.text);
	if (state_db_each_project(daemon->db, restore_project, daemon, err) < 0 ||
	    settle(daemon, err) < 0)
		return -1;
	container_networks_restore(daemon);
	watch_projects(daemon);
	container_removal_sweep(daemon);
	detached_removal_sweep(daemon);
	daemon->are_routes_due = true;
	daemon_routes_send(daemon);
	return 0;
}

int daemon_serve(struct daemon *daemon, struct error *err)
{
	const struct http_server_config config = {.on_request = methods_dispatch, .data = daemon};
	cleanup_free char *path = paths_daemon_sock(&daemon->paths);
	int fd = listen_unix(path, err);

	if (fd < 0)
		return -1;
	daemon->server = http_server_new(daemon->loop, fd, &config, err);
	daemon->has_served = daemon->server != NULL;
	return daemon->server ? 0 : -1;
}

static void count_process(const char *project, const struct service_snapshot *service, void *data)
{
	*(size_t *)data += service->pid > 0 || service->state == SERVICE_STARTING;
}

static bool has_processes(struct daemon *daemon)
{
	size_t count = 0;

	if (daemon->supervisor)
		supervisor_each(daemon->supervisor, NULL, count_process, &count);
	return count > 0;
}

void daemon_release(struct daemon *daemon)
{
	cleanup_free char *path = paths_daemon_sock(&daemon->paths);
	bool proxy_goes_on;

	daemon->is_leaving = true;
	if (daemon->server) {
		unlink(path);
		http_server_free(daemon->server);
	}
	live_release(daemon);
	events_release(daemon);
	project_ops_release(daemon);
	container_runs_release(daemon);
	detached_release(daemon);
	file_watch_free(daemon->files);
	run_containers_release(daemon);
	waits_release(daemon);
	prepare_release(daemon);
	container_removal_release(daemon);
	job_children_release(&daemon->jobs);
	/* A daemon that failed to start ends nothing; without a service there is nothing to serve.
	 */
	proxy_goes_on = daemon->is_restarting || !daemon->has_served || has_processes(daemon);
	supervisor_free(daemon->supervisor);
	world_loop_release(&daemon->world_loop);
	proxy_worker_free(daemon->proxy, proxy_goes_on);
	relay_worker_free(daemon->relay);
	array_foreach(project, &daemon->projects)
		project_destroy(*project);
	array_release(&daemon->projects);
	port_pool_release(&daemon->ports);
	state_db_close(daemon->db);
	for (size_t i = 0; i < ARRAY_LEN(daemon->signals); i++)
		loop_source_free(daemon->signals[i]);
	loop_source_free(daemon->orphans);
	loop_source_free(daemon->route_timer);
	free(daemon->self);
	free(daemon->keeper);
}
