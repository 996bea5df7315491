#include "daemon/container_network.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/container_plan.h"
#include "daemon/daemon.h"
#include "daemon/relay_worker.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "net/outbound.h"

/* Enough for a page with all that belongs to it; more are made when these are used up. */
#define FIRST_SOCKETS "16"

/* inside_port 0: as it was composed. */
static void add_publications(const json_t *network, int inside_port, struct strv *args)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(network, "publish"), i, pair) {
		strv_add(args, "--publish");
		strv_addf(args, "%d:%d", (int)json_integer_value(json_array_get(pair, 0)),
		          inside_port > 0 ? inside_port
		                          : (int)json_integer_value(json_array_get(pair, 1)));
	}
}

static void add_peers(const json_t *network, struct strv *args)
{
	const json_t *peer, *pair;
	size_t i, j;

	json_array_foreach(json_object_get(network, "peers"), i, peer) {
		json_array_foreach(json_object_get(peer, "ports"), j, pair) {
			strv_add(args, "--peer");
			strv_addf(args, "%s:%d=%d", json_get_str(peer, "address", ""),
			          (int)json_integer_value(json_array_get(pair, 0)),
			          (int)json_integer_value(json_array_get(pair, 1)));
		}
	}
}

/* The shim's command line that registers a container. */
struct registration {
	const char *id;
	const json_t *network;
	bool is_open;
	int inside_port;                 /* 0: as it was composed */
	const struct outbound *outbound; /* NULL: it has its way out already, or none */
};

static int make_command(const struct daemon *daemon, const struct registration *from,
                        struct strv *args, struct error *err)
{
	if (container_runtime(&daemon->paths, args, err) < 0)
		return -1;
	strv_add(args, "net");
	strv_add(args, "--socket");
	strv_add(args, relay_worker_socket(daemon->relay));
	add_publications(from->network, from->inside_port, args);
	if (json_array_size(json_object_get(from->network, "publish")) > 0) {
		strv_add(args, "--sockets");
		strv_add(args, FIRST_SOCKETS);
	}
	if (from->is_open)
		strv_add(args, "--open");
	if (from->outbound && from->outbound->program) {
		bool is_pasta = from->outbound->kind == OUTBOUND_PASTA;

		strv_add(args, is_pasta ? "--pasta" : "--slirp4netns");
		strv_add(args, from->outbound->program);
	}
	add_peers(from->network, args);
	strv_add(args, from->id);
	return 0;
}

static json_t *make_hosts(const json_t *network)
{
	const json_t *peer, *name;
	json_t *hosts = json_array();
	size_t i, j;

	json_array_foreach(json_object_get(network, "peers"), i, peer)
		json_array_foreach(json_object_get(peer, "names"), j, name)
			json_array_append_new(hosts, json_sprintf("%s\t%s",
			                                          json_get_str(peer, "address", ""),
			                                          json_string_value(name)));
	return hosts;
}

/* Nobody looks when it listens: its ports take connections from the start. */
static bool is_open(const json_t *network)
{
	return json_get_bool(network, "open", false);
}

/* Nobody comes in, and there is nobody to call. */
static bool is_alone(const json_t *network)
{
	return json_get_bool(network, "alone", false);
}

static int make_end_command(const struct daemon *daemon, const char *id,
                            const struct outbound *outbound, struct strv *args, struct error *err)
{
	if (!outbound->program)
		return 0;
	if (container_runtime(&daemon->paths, args, err) < 0)
		return -1;
	strv_add(args, "net");
	strv_add(args, "--end");
	strv_add(args, id);
	return 0;
}

int container_network_fill(struct daemon *daemon, json_t *params, const char *id, struct error *err)
{
	const json_t *network = json_object_get(params, "network");
	cleanup(strv_release) struct strv args = STRV_INIT, end = STRV_INIT;
	cleanup(outbound_release) struct outbound outbound = {0};
	const struct registration registration = {
		.id = id, .network = network, .is_open = is_open(network), .outbound = &outbound};
	json_t *filled;

	if (!network)
		return 0;
	if (!is_alone(network)) {
		outbound_find(&outbound);
		if (relay_worker_need(daemon->relay, err) < 0 ||
		    make_command(daemon, &registration, &args, err) < 0 ||
		    make_end_command(daemon, id, &outbound, &end, err) < 0)
			return -1;
	}
	filled = json_object();
	json_set_bool(filled, "way_out", outbound.program != NULL);
	json_set_str(filled, "resolver", outbound.resolver);
	json_object_set_new(filled, "end_hook", end.len > 0 ? json_from_strv(&end) : json_array());
	json_object_set_new(filled, "hook", args.len > 0 ? json_from_strv(&args) : json_array());
	json_object_set_new(filled, "hosts", make_hosts(network));
	json_object_set_new(params, "network", filled);
	return 0;
}

/* --- another relay --- */

struct registering {
	struct daemon *daemon;
	const char *id;
	struct loop_source *child;
};

static void on_registered(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct registering *registering = data;

	if (info->si_code != CLD_EXITED || info->si_status != 0)
		log_warn("a container was not registered with the relay; its next start does it");
	loop_source_free(registering->child);
	free(registering);
}

static int start_registering(struct daemon *daemon, const struct registration *registration,
                             struct error *err)
{
	cleanup(strv_release) struct strv args = STRV_INIT;
	struct child_spec spec = {0};
	struct registering *registering;
	pid_t pid;

	if (make_command(daemon, registration, &args, err) < 0)
		return -1;
	spec.path = args.items[0];
	spec.argv = (const char *const *)args.items;
	pid = child_spawn(&spec, err);
	if (pid < 0)
		return -1;
	registering = xcalloc(1, sizeof(*registering));
	if (loop_add_child(daemon->loop, pid, on_registered, registering, &registering->child,
	                   err) == 0)
		return 0;
	free(registering);
	return -1;
}

void container_network_register(struct daemon *daemon, const char *id, const json_t *network,
                                int inside_port)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct registration registration = {.id = id,
	                                          .network = network,
	                                          .is_open = inside_port > 0 || is_open(network),
	                                          .inside_port = inside_port};

	if (network && !is_alone(network) && start_registering(daemon, &registration, &err) < 0)
		log_warn("%s: %s", id, err.text);
}

static void register_service(const char *project, const struct service_snapshot *service,
                             void *data)
{
	struct daemon *daemon = data;
	const struct project *known = daemon_find_project(daemon, project);
	cleanup_free char *id = container_id(project, service->plan->name);
	int i = known ? project_index(known, service->plan->name) : -1;
	const json_t *bundle = i < 0 ? NULL : known->extras.items[i].bundle;

	if (service_state_is_live(service->state))
		container_network_register(daemon, id, json_object_get(bundle, "network"),
		                           service->inside_port);
}

void container_networks_register(struct daemon *daemon)
{
	if (daemon->supervisor)
		supervisor_each(daemon->supervisor, NULL, register_service, daemon);
}

static void count_running(const char *project, const struct service_snapshot *service, void *data)
{
	*(size_t *)data += service->plan->has_own_network && service_state_is_live(service->state);
}

void container_networks_restore(struct daemon *daemon)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t running = 0;

	supervisor_each(daemon->supervisor, NULL, count_running, &running);
	if (running > 0 && !relay_worker_is_there(daemon->relay) &&
	    relay_worker_need(daemon->relay, &err) < 0)
		log_err("%s", err.text);
}
