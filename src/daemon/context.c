#include "daemon/context.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/container_plan.h"
#include "daemon/daemon.h"
#include "daemon/prepare.h"
#include "daemon/reply.h"
#include "net/http_message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#define ENVIRONMENT_MAX (4u << 20)

/* Marks a process as part of a run; a command beside it is not. */
#define RUN_MARK "LOCALD_RUN"

/*
 * What the process was started with.  Some programs write other things over it
 * (their title): false when it is not an environment of ours any more.
 */
static bool read_environment(const struct service_snapshot *service, struct strv *env)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = xasprintf("/proc/%d/environ", (int)service->pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *own;

	if (fd < 0 || fd_read_to_end(fd, &text, ENVIRONMENT_MAX, &err) < 0)
		return false;
	for (size_t at = 0; at < text.len; at += strlen(text.buf + at) + 1)
		if (strchr(text.buf + at, '='))
			strv_add(env, text.buf + at);
	own = strv_env_get(env, "LOCALD_SERVICE");
	return own && str_eq(own, service->plan->name);
}

static bool is_of_plan(const struct service_snapshot *service)
{
	return str_eq_null(service->fingerprint, service->plan->fingerprint);
}

static int find_folder(const struct service_snapshot *service, char folder[PATH_MAX],
                       struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/cwd", (int)service->pid);
	ssize_t len;

	if (is_of_plan(service)) {
		str_copy(folder, PATH_MAX, service->plan->cwd);
		return 0;
	}
	/* Its configuration was edited since: only the process knows. */
	len = readlink(path, folder, PATH_MAX - 1);
	if (len < 0)
		return error_errno(err, errno, "the folder of %s", service->plan->name);
	folder[len] = '\0';
	return 0;
}

static json_t *host_context(const struct service_snapshot *service, struct error *err)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	char folder[PATH_MAX];
	json_t *context;

	if (!read_environment(service, &env)) {
		if (!is_of_plan(service)) {
			error_set(err, ERR_FAILED, "the environment of %s is not known any more",
			          service->plan->name);
			error_hint(err, "locald restart %s", service->plan->name);
			return NULL;
		}
		strv_release(&env);
		strv_copy(&env, &service->plan->env);
	}
	if (find_folder(service, folder, err) < 0)
		return NULL;
	strv_env_unset(&env, RUN_MARK);
	context = json_object();
	json_set_str(context, "mode", "host");
	json_set_str(context, "cwd", folder);
	json_object_set_new(context, "env", json_from_raw_strv(&env));
	return context;
}

static json_t *container_context(const struct daemon *daemon, const struct project *project,
                                 const struct service_snapshot *service, struct error *err)
{
	int i = project_index(project, service->plan->name);
	cleanup(strv_release) struct strv argv = STRV_INIT, launcher = STRV_INIT;
	json_t *context;

	if (prepare_runtime(daemon, &argv, err) < 0)
		return NULL;
	if (i >= 0)
		container_launcher(project->extras.items[i].image_defaults, &launcher);
	context = json_object();
	json_set_str(context, "mode", "container");
	json_set_str(context, "service", service->plan->name);
	json_object_set_new(context, "runtime", json_from_raw_strv(&argv));
	json_object_set_new(context, "launcher", json_from_strv(&launcher));
	json_object_set_new(context, "container",
	                    json_sprintf("%s.%s", project->id, service->plan->name));
	return context;
}

static bool has_process(const struct service_snapshot *service)
{
	return service->pid > 0 &&
	       (service->state == SERVICE_RUNNING || service->state == SERVICE_UNHEALTHY);
}

static json_t *make(struct daemon *daemon, const char *root, const char *name, struct error *err)
{
	struct project *project = root ? daemon_find_project_at(daemon, root) : NULL;
	struct service_snapshot service;

	if (!project || !name) {
		error_set(err, ERR_NOT_FOUND, "nothing of %s has been started",
		          root ? root : "this folder");
		return NULL;
	}
	if (project_check_service(project, name, err) < 0)
		return NULL;
	/* Of a service with replicas the first. */
	name = project->plans.items[project_index(project, name)].name;
	if (!supervisor_find(daemon->supervisor, project->id, name, &service) ||
	    !has_process(&service)) {
		error_set(err, ERR_FAILED, "%s does not run", name);
		error_hint(err, "locald up %s, or locald run %s -- … for a command of its own",
		           name, name);
		return NULL;
	}
	if (service.plan->mode == PLAN_CONTAINER)
		return container_context(daemon, project, &service, err);
	return host_context(&service, err);
}

void context_reply(struct daemon *daemon, struct http_exchange *x, const char *target)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *root = http_target_query(target, "root");
	cleanup_free char *service = http_target_query(target, "service");
	json_t *context = make(daemon, root, service, &err);

	if (context)
		reply_json(x, 200, context);
	else
		reply_error(x, &err, NULL);
}
