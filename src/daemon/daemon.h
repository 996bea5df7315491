/*
 * daemon - the composition root: owns one of everything and connects the rooms.
 *
 * The files beside it each know a few rooms: compose (config → service), images
 * and prepare (oci, cnb by jobs), routes (service → proxy), methods (the control
 * API).  This struct is what they share; it is made once, in daemon_main.
 *
 * Nothing in the daemon blocks on anything but the local disk, and there are no
 * threads: slow work is a job_child.
 */
#pragma once

#include "api/paths.h"
#include "base/array.h"
#include "daemon/job_child.h"
#include "daemon/project.h"
#include "service/port_pool.h"
#include "service/supervisor.h"
#include "service/world.h"
#include "service/world_loop.h"

struct container_removal;
struct container_run;
struct detached_removal;
struct detached_start;
struct error;
struct event_client;
struct file_watch;
struct http_server;
struct live;
struct loop;
struct project_op;
struct preparation;
struct proxy_worker;
struct relay_worker;
struct run_container;
struct wait;
struct service_watch;
struct state_db;

struct daemon {
	struct loop *loop;
	int running_lock; /* held for life */
	struct paths paths;
	char *self, *keeper; /* programs; those of container mode are found when they are wanted */
	int64_t started_real_ns, started_boot_ns;
	struct state_db *db;
	struct job_children jobs;
	struct world_loop world_loop;
	struct supervisor_world world;
	struct supervisor *supervisor;
	struct port_pool ports;
	struct proxy_worker *proxy; /* NULL when no port could be had; the log says why */
	struct relay_worker *relay; /* for containers with a network of their own */
	struct http_server *server;
	struct loop_source *signals[3], *orphans;
	struct loop_source *route_timer; /* gathers route changes of one round of the loop */
	bool are_routes_due;
	uint64_t routes_version;
	ARRAY(struct project *) projects;
	ARRAY(struct event_client *) event_clients;
	ARRAY(struct project_op *) operations;    /* up, stop, restart under way */
	ARRAY(struct preparation *) preparations; /* containers being made ready */
	ARRAY(struct run_container *) run_containers;
	ARRAY(struct container_run *) container_runs;
	ARRAY(struct container_removal *) removals; /* container_removal.h */
	ARRAY(struct detached_start *) detached_starts;
	ARRAY(struct detached_removal *) detached_removals;
	void (*removals_done)(void *data);
	void *removals_data;
	struct file_watch *files; /* NULL: no inotify, files are looked at */
	ARRAY(struct service_watch *) watches;
	ARRAY(struct live *) live;  /* projects whose files are watched */
	ARRAY(struct wait *) waits; /* clients that wait for states */
	bool is_settling, is_leaving;
	bool has_served;
	bool is_restarting; /* leaves for the next daemon */
};

/* Everything but the control socket: that comes last, in daemon_serve(). */
int daemon_init(struct daemon *daemon, struct error *err);
int daemon_serve(struct daemon *daemon, struct error *err);
void daemon_release(struct daemon *daemon);

struct project *daemon_find_project(struct daemon *daemon, const char *id);
struct project *daemon_find_project_at(struct daemon *daemon, const char *root);

/*
 * Makes `project` (taken) the current one of its id: replaces the old, and saves it
 * in the run directory and the database.
 */
int daemon_put_project(struct daemon *daemon, struct project *project, struct error *err);
/* What of it has changed in place. */
int daemon_save_project(struct daemon *daemon, const struct project *project, struct error *err);

/* Forgets what is saved of it. */
int daemon_drop_saved(struct daemon *daemon, const char *id, struct error *err);

/* Sends the proxy a new table soon; cheap, may be called for every change. */
void daemon_routes_changed(struct daemon *daemon);
/* If one is due, sends it now: who is told of a change next finds it at the URL, too. */
void daemon_routes_send(struct daemon *daemon);
