#include "cli/project_status.h"

#include "base/error.h"
#include "cli/cli.h"
#include "config/project.h"

static json_t *stopped(const struct service_config *service)
{
	json_t *object = json_object(), *health = json_object();

	json_set_str(object, "name", service->name);
	json_set_str(object, "mode", service_mode_name(service->mode));
	json_set_str(object, "state", "stopped");
	json_set_bool(object, "ready", false);
	json_set_str(health, "kind", "none");
	json_set_bool(health, "ok", false);
	json_object_set_new(object, "health", health);
	json_object_set_new(object, "pid", json_null());
	json_object_set_new(object, "last_exit", json_null());
	json_object_set_new(object, "port", json_null());
	json_object_set_new(object, "url", json_null());
	json_object_set_new(object, "warnings", json_array());
	json_object_set_new(object, "depends_on", json_array());
	array_foreach(dep, &service->depends_on.list)
		json_array_append_new(json_object_get(object, "depends_on"),
		                      json_string(dep->service));
	return object;
}

static json_t *from_files(struct cli *cli, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup_project struct project_config *config =
		project_load(cli->root, user_config, &cli->diagnostics, err);
	cleanup_free char *id = NULL;
	json_t *project, *services;

	if (!config)
		return NULL;
	id = paths_project_id(config->name, config->root);
	project = json_object();
	services = json_array();
	json_set_str(project, "id", id);
	json_set_str(project, "name", config->name);
	json_set_str(project, "root", config->root);
	json_set_str(project, "domain", config->domain);
	array_foreach(service, &config->services)
		json_array_append_new(services, stopped(*service));
	json_object_set_new(project, "services", services);
	return project;
}

static json_t *without_daemon(struct cli *cli, struct error *err)
{
	json_t *status, *projects, *project = NULL;

	if (cli->root && !(project = from_files(cli, err)))
		return NULL;
	status = json_object();
	projects = json_array();
	if (project)
		json_array_append_new(projects, project);
	json_set_int(status, "schema", 1);
	json_object_set_new(status, "daemon", json_null());
	json_object_set_new(status, "projects", projects);
	return status;
}

/* A project that was never up is not known to the daemon: its files tell what there is. */
static int add_from_files(struct cli *cli, json_t *status, struct error *err)
{
	json_t *project = from_files(cli, err);

	if (!project)
		return -1;
	json_array_append_new(json_object_get(status, "projects"), project);
	return 0;
}

json_t *project_status(struct cli *cli, struct error *err)
{
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	cleanup_json json_t *status = NULL;

	if (!cli->client && cli_find_daemon(cli, err) < 0)
		return NULL;
	if (!cli->client)
		return without_daemon(cli, err);
	strbuf_adds(&target, "/v1/status");
	cli_add_query(&target, cli->root ? "root" : "all", cli->root ? cli->root : "1");
	cli_add_query(&target, "usage", "1");
	status = cli_call(cli, "GET", target.buf, NULL, err);
	if (!status && (err->code != ERR_NOT_FOUND || !cli->root))
		return NULL;
	if (!status) {
		error_release(err);
		return without_daemon(cli, err);
	}
	if (cli->root && json_array_size(json_object_get(status, "projects")) == 0 &&
	    add_from_files(cli, status, err) < 0)
		return NULL;
	return json_incref(status);
}
