/*
 * project - a project folder's configuration, read, merged and checked.
 *
 * project_load() reads what describes the project (locald.toml, else Procfile,
 * else package.json) over the outer layers (the user's config.toml, .locald.toml
 * and locald.workspace.toml in the folder and its parents) and under
 * locald.local.toml; later layers win key by key.  Everything that is wrong ends
 * in the diagnostics; warnings do not fail the load.
 *
 * Values are as written: ${…} is expanded when a service starts
 * (config/environment.h).  Every value remembers its place (project_place_of,
 * service_place_of) for errors that are found later.  Reads files, so it blocks.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/volume.h"

#include <stdbool.h>
#include <stddef.h>

struct config_inputs;
struct error;

#define PROJECT_MAX_SERVICES 2000u
#define PROJECT_MAX_PATTERNS 256u   /* of a service's watch, with each {…} written out */
#define PROJECT_ENV_FILE     ".env" /* read for services that name no env_file */

/* A file that was read; its text is kept for the source lines of later diagnostics. */
struct config_file {
	char *path, *name; /* absolute, and as shown: relative to the project's root */
	char *text;
	size_t len;
};

/* Where a value came from. */
struct config_place {
	const char *key; /* "port", "health_check.path"; borrowed from the schema */
	const struct config_file *file;
	struct toml_pos pos; /* of the value */
};
struct config_places {
	ARRAY(struct config_place) list;
};

enum service_type {
	SERVICE_EXEC,
	SERVICE_WORKER,
	SERVICE_CONTAINER,
	SERVICE_SITE,
	SERVICE_POSTGRES,
	SERVICE_REDIS
};
enum service_mode { MODE_HOST, MODE_CONTAINER };
enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum health_type {
	HEALTH_DEFAULT,
	HEALTH_HTTP,
	HEALTH_TCP,
	HEALTH_COMMAND,
	HEALTH_LOG,
	HEALTH_NOTIFY
};
enum dependency_until { DEPENDENCY_READY, DEPENDENCY_STARTED, DEPENDENCY_COMPLETED };
enum command_origin { COMMAND_NONE, COMMAND_CONFIG, COMMAND_PROCFILE, COMMAND_PACKAGE_JSON };

/* A string goes to `sh -c`; an array is an argv as it is.  Both empty: not given. */
struct config_command {
	char *shell;
	struct strv argv;
};

struct env_entry {
	char *name, *value; /* the value may have ${…} */
	const struct config_file *file;
	struct toml_pos pos; /* of the value */
};
struct env_list {
	ARRAY(struct env_entry) list;
};

struct int_list {
	ARRAY(int) list;
};

struct dependency {
	char *service;
	enum dependency_until until;
	const struct config_file *file;
	struct toml_pos pos;
};
struct dependency_list {
	ARRAY(struct dependency) list;
};

struct health_config {
	enum health_type type;
	char *path;    /* http, default "/" */
	char *pattern; /* log: an extended regular expression */
	struct config_command command;
	int interval_ms;     /* default 1000 */
	int timeout_ms;      /* default 1000 */
	int start_period_ms; /* default 30000: failures before do not count */
	int retries;         /* default 3 */
	bool restart;        /* when it is unhealthy */
};

/* Of a container. */
enum network_mode { NETWORK_PRIVATE, NETWORK_HOST, NETWORK_NONE };

struct build_config {
	bool is_set;
	char *builder; /* NULL: the default builder */
	struct strv buildpacks, exclude;
	struct env_list env;
	bool cache;
};

struct service_config {
	char *name;
	enum service_type type;
	enum service_mode mode; /* as resolved */
	struct config_command command;
	enum command_origin command_origin;
	char *workdir;            /* absolute, under the root unless written otherwise */
	bool is_workdir_relative; /* as written */
	int port;                 /* 0: the daemon chooses; a worker has none */
	int container_port;       /* 0: the same as port */
	enum network_mode network;
	struct env_list env;
	struct strv env_files; /* as written; see has_env_files */
	bool has_env_files;    /* false: .env of the root where it exists */
	struct dependency_list depends_on;
	struct health_config health;
	enum restart_policy restart;
	char *schedule;                /* crontab(5); NULL: none */
	int every_ms;                  /* 0: not */
	int replicas;                  /* default 1 */
	int max_restarts;              /* in a row; 0: no limit */
	struct int_list success_codes; /* exit codes that are success, besides 0 */
	struct config_command stop_command;
	int stop_signal; /* a number, default SIGTERM */
	int stop_timeout_ms;
	int64_t log_bytes;               /* of its log that are kept; default 64 MiB */
	struct strv watch, watch_ignore; /* patterns of base/glob.h, from workdir */
	int debounce_ms;
	bool oneshot, autostart;
	struct strv profiles;
	bool tty, has_stdin;
	bool is_unsupported; /* its type is; already reported, nothing else of it was read */

	/* of a site */
	char *path;          /* its folder, absolute */
	char *build_command; /* `build` as a text; becomes the service NAME-build */

	char *version; /* of a database; NULL: the one that is installed */

	/* container mode */
	struct build_config build;
	char *image;
	struct strv entrypoint;
	bool has_entrypoint;
	char *user; /* "1000:1000" or a name; NULL: the image's */
	struct volume_list volumes;
	int64_t memory_bytes; /* limits; 0: none */
	int cpu_millis, pids; /* thousandths of a processor */

	struct config_places places;
	const struct config_file *file; /* the first that names the service … */
	struct toml_pos pos;            /* … and where */
};

struct project_config {
	char *root; /* real path */
	char *name, *domain, *workspace;
	struct env_list env;
	ARRAY(struct service_config *) services; /* in the order of the files */
	ARRAY(struct config_file *) files;
	struct config_places places;
};

void project_free(struct project_config *project); /* NULL is fine */
#define cleanup_project cleanup(freep_project)
void freep_project(struct project_config **project);

/*
 * The folder at or above `start` that holds locald.toml, Procfile or a
 * package.json that can be run; ERR_NOT_FOUND without one.  A file in a parent
 * counts only if it belongs to the caller, to root or to start's owner.
 */
char *project_find_root(const char *start, struct error *err) must_check;

/*
 * user_config is the path of the user's config.toml, or NULL.  NULL with err
 * (ERR_CONFIG; see diags) when anything is wrong.  diags may have warnings
 * all the same when it succeeds.
 */
struct project_config *project_load(const char *root, const char *user_config,
                                    struct diagnostics *diags, struct error *err) must_check;
/* The same; every file that it looked for is added to `inputs` (may be NULL), whatever comes of it.
 */
struct project_config *project_load_noting(const char *root, const char *user_config,
                                           struct config_inputs *inputs, struct diagnostics *diags,
                                           struct error *err) must_check;
/* As project_load() would if `text` were in locald.toml. */
struct project_config *project_load_text(const char *root, const char *user_config,
                                         const char *text, size_t len, struct diagnostics *diags,
                                         struct error *err) must_check;

struct service_config *project_service(const struct project_config *project, const char *name);
/* The service name nearest to a wrong one, or NULL. */
const char *project_nearest_service(const struct project_config *project, const char *name);

/* What the n-th copy of a service is called: `web-1` when n is 0; `web` when it is the only one. */
char *service_replica_name(const struct service_config *service, int n) must_check;

/* The place of a key ("port"), or NULL when no file sets it. */
const struct config_place *project_place_of(const struct project_config *project, const char *key);
const struct config_place *service_place_of(const struct service_config *service, const char *key);

/* Adds `place` (may be NULL) to a diagnostic: for errors found after the load. */
void diag_at_place(struct diagnostic *diag, const struct config_place *place, const char *label);

/*
 * Start order: every service after those it depends on.  Indexes into services,
 * project->services.len of them.  A loaded project has no cycle.
 */
void project_start_order(const struct project_config *project, size_t *out);

/*
 * All values that make a service run as it does, by key, without places: equal
 * JSON (json_equal) means that nothing has to be restarted.
 */
json_t *service_to_json(const struct service_config *service);

/* Does it run when it is due, by schedule or every? */
static inline bool config_is_job(const struct service_config *service)
{
	return service->schedule || service->every_ms > 0;
}

bool config_command_is_set(const struct config_command *command);
const char *service_type_name(enum service_type type);
/* Does locald itself know what to run, so that no command is wanted? */
bool service_type_is_managed(enum service_type type);
bool service_type_is_database(enum service_type type);
const char *service_mode_name(enum service_mode mode);
const char *dependency_until_name(enum dependency_until until);
/* A DNS label: a-z 0-9 -, not at the ends, at most 63. */
bool config_is_label(const char *text);
/* The nearest label ("My_App" -> "my-app"), or NULL; the caller's. */
char *config_make_label(const char *text) must_check;
/*
 * A name of a service or project: letters, digits, - and _, no - at the front, at
 * most 63, and one letter or digit at least, so that there is a label for URLs.
 */
bool config_is_name(const char *name);
