#include "base/error.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/jobs.h"
#include "daemon/managed.h"
#include "daemon/reply.h"
#include "net/http_server.h"

static int check_kind(const struct project_config *config, const char *name, struct error *err)
{
	const struct service_config *service = project_service(config, name);
	const char *nearest = service ? NULL : project_nearest_service(config, name);

	if (service && managed_is_kind(service->type))
		return 0;
	if (service)
		return error_set(err, ERR_USAGE,
		                 "%s is no database that locald runs: it has no data", name);
	error_set(err, ERR_NOT_FOUND, "no service `%s` in %s", name, config->name);
	return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
}

static char *data_of(struct daemon *daemon, const json_t *params, struct diagnostics *diags,
                     struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&daemon->paths);
	cleanup_project struct project_config *config = NULL;
	cleanup_free char *id = NULL;
	const struct project *known;
	struct service_snapshot now;
	const char *root, *service;

	if (json_need_str(params, "root", &root, err) < 0 ||
	    json_need_str(params, "service", &service, err) < 0)
		return NULL;
	config = project_load(root, user_config, diags, err);
	if (!config || check_kind(config, service, err) < 0)
		return NULL;
	known = daemon_find_project_at(daemon, config->root);
	id = known ? xstrdup(known->id) : paths_project_id(config->name, config->root);
	if (supervisor_find(daemon->supervisor, id, service, &now) &&
	    service_state_is_live(now.state)) {
		error_set(err, ERR_CONFLICT, "%s runs", service);
		error_hint(err, "stop it first: `locald stop %s`", service);
		return NULL;
	}
	return paths_service_data(&daemon->paths, id, service);
}

void managed_reset(struct daemon *daemon, struct http_exchange *x, const json_t *params)
{
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *data = data_of(daemon, params, &diags, &err);
	cleanup_json json_t *job = NULL;

	if (!data) {
		reply_error(x, &err, &diags);
		return;
	}
	job = json_pack("{s:s}", "data", data);
	jobs_start(daemon, x, "service-reset", job);
}
