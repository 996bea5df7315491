/*
 * paths - where everything of locald is on disk; the only place that composes
 * such paths.
 *
 * paths_init() only computes, so that a read-only command changes nothing;
 * paths_create() makes the five directories.  Whoever writes below them makes
 * the folders it needs with fs_mkdirs_private().  A function that returns
 * char * gives the caller a new string.
 *
 * Specified in docs/architecture.md, "Where things are on disk".
 */
#pragma once

#include "base/attrs.h"

struct error;

struct paths {
	char *sandbox; /* NULL outside a sandbox */
	char *run, *state, *data, *cache, *config;
};

#define PATHS_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

/* `sandbox` is the name given by the user, NULL to look at $LOCALD_SANDBOX; "" is none. */
int paths_init(struct paths *paths, const char *sandbox, struct error *err);
int paths_create(const struct paths *paths, struct error *err);
void paths_release(struct paths *paths);

char *paths_daemon_sock(const struct paths *paths) must_check;
char *paths_proxy_sock(const struct paths *paths) must_check;
char *paths_proxy_memory(const struct paths *paths) must_check;
/* Where containers that start find the relay, and where the runtime keeps its states. */
char *paths_relay_sock(const struct paths *paths) must_check;
char *paths_runtime_root(const struct paths *paths) must_check;
char *paths_daemon_lock(const struct paths *paths) must_check;
char *paths_daemon_log(const struct paths *paths) must_check;
char *paths_state_db(const struct paths *paths) must_check;
char *paths_user_config(const struct paths *paths) must_check;

/* `project` is a project id, `service` a service's name; neither has a slash. */
char *paths_keeper_dir(const struct paths *paths, const char *project) must_check;
char *paths_keeper_sock(const struct paths *paths, const char *project,
                        const char *service) must_check;
char *paths_keeper_spec(const struct paths *paths, const char *project,
                        const char *service) must_check;
/* A socket for sd_notify(3), within the length of a sun_path; NULL when the run folder is longer.
 */
char *paths_keeper_notify(const struct paths *paths, const char *project,
                          const char *service) must_check;
char *paths_log_dir(const struct paths *paths, const char *project, const char *service) must_check;
char *paths_container_dir(const struct paths *paths, const char *project,
                          const char *service) must_check;
/* How containers get their root file system here: oci/root_choice.h. */
char *paths_root_memory(const struct paths *paths) must_check;
char *paths_image_store(const struct paths *paths) must_check;
/* What a database keeps, and where its sockets are. */
/* Folder of the named volumes of all projects; a volume is <this>/<project id>/<name>. */
char *paths_volumes(const struct paths *paths) must_check;
char *paths_service_data(const struct paths *paths, const char *project,
                         const char *service) must_check;
char *paths_service_run(const struct paths *paths, const char *project,
                        const char *service) must_check;
/* Of `locald try`: a folder for each one that runs, and what was tried last. */
char *paths_try_dir(const struct paths *paths) must_check;
/* Of `locald container run -d`: a folder for each container, which has its name. */
char *paths_detached_dir(const struct paths *paths) must_check;
char *paths_build_cache(const struct paths *paths, const char *project,
                        const char *service) must_check;

/* "<name>-<8 hex digits of the sha256 of root>"; root is a real path (path_real()). */
char *paths_project_id(const char *name, const char *root) must_check;

/*
 * A program of ours (locald-keeper, locald-shim, …): in $LOCALD_LIBEXEC when that is set, else in
 * the build tree this binary runs from, or in ../libexec/locald.  NULL when none is an executable
 * file.
 */
char *paths_libexec(const char *name, struct error *err) must_check;

/* This program's own file, good for execve(2) even when the file was replaced meanwhile. */
char *paths_self(void) must_check;
