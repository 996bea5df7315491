#include "base/error.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "daemon/why.h"
#include "net/http_message.h"

/* What the callbacks of why.h look at. */
struct asked {
	struct daemon *daemon;
	const struct project *project;
};

static bool find(const char *service, struct service_snapshot *ret, void *data)
{
	const struct asked *asked = data;
	int i = project_index(asked->project, service);

	/* Of a service with replicas the first. */
	if (i < 0 || !supervisor_find(asked->daemon->supervisor, asked->project->id,
	                              asked->project->plans.items[i].name, ret))
		return false;
	if (strv_has(&asked->project->building, service)) {
		ret->state = SERVICE_PREPARING;
		ret->detail = NULL;
	}
	return true;
}

static bool find_exit(const char *service, uint32_t run, struct log_exit *ret, void *data)
{
	const struct asked *asked = data;
	cleanup_free char *dir = paths_log_dir(&asked->daemon->paths, asked->project->id, service);
	cleanup(error_release) struct error err = ERROR_INIT;

	/* A log that cannot be read is one that knows nothing. */
	return log_find_exit(dir, run, ret, &err) == 1;
}

static json_t *why_to_json(const struct asked *asked, const char *name, const struct why *why)
{
	json_t *object = json_object();
	struct service_snapshot service;

	json_set_int(object, "schema", 1);
	json_set_str(object, "project", asked->project->name);
	json_set_str(object, "service", name);
	if (find(name, &service, (void *)asked)) {
		json_set_str(object, "state", service_state_name(service.state));
		json_set_bool(object, "ready", service.ready);
	}
	json_set_str(object, "text", why->text.buf);
	json_set_str(object, "fix", why->fix.len > 0 ? why->fix.buf : NULL);
	json_object_set_new(object, "chain", json_from_strv(&why->chain));
	json_object_set_new(object, "last_lines", json_from_strv(&why->last_lines));
	return object;
}

void why_reply(struct daemon *daemon, struct http_exchange *x, const char *target)
{
	cleanup_free char *root = http_target_query(target, "root");
	cleanup_free char *service = http_target_query(target, "service");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(why_release) struct why why = WHY_INIT;
	struct asked asked = {daemon, root ? daemon_find_project_at(daemon, root) : NULL};
	const struct why_source source = {
		.find = find,
		.find_exit = find_exit,
		.data = &asked,
	};

	if (!asked.project || !service) {
		error_set(&err, ERR_NOT_FOUND, "nothing of %s has been started",
		          root ? root : "this folder");
		error_hint(&err, "locald up");
	} else if (project_check_service(asked.project, service, &err) == 0 &&
	           !why_explain(&source, service, &why)) {
		error_set(&err, ERR_NOT_FOUND, "%s is not known yet", service);
	}
	if (err.code)
		reply_error(x, &err, NULL);
	else
		reply_json(x, 200, why_to_json(&asked, service, &why));
}
