#include "daemon/run.h"

#include "base/fd.h"
#include "daemon/compose.h"
#include "daemon/container_plan.h"
#include "daemon/project_op_internal.h"
#include "daemon/run_container.h"
#include "net/listen.h"

/* A port that nobody listens on; who binds it first has it. */
static int free_port(struct error *err)
{
	static const int any[] = {0};
	struct listen_loopback found;

	if (listen_loopback(any, 1, &found, err) < 0)
		return -1;
	close_fd(&found.ipv4);
	close_fd(&found.ipv6);
	return found.port;
}

static bool is_up(const struct project_op *op)
{
	struct service_snapshot now;

	return supervisor_find(op->daemon->supervisor, op->project_id, op->run_service, &now) &&
	       service_state_is_live(now.state);
}

/* The words as they are, or with `shell` as the text that they make together. */
static int read_command(const json_t *request, struct strv *argv, struct error *err)
{
	cleanup(strv_release) struct strv words = STRV_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (json_to_strv(json_object_get(request, "argv"), "argv", &words, err) < 0)
		return -1;
	if (words.len == 0)
		return error_set(err, ERR_USAGE, "\"argv\" is empty");
	if (!json_get_bool(request, "shell", false)) {
		strv_copy(argv, &words);
		return 0;
	}
	for (size_t i = 0; i < words.len; i++)
		strbuf_addf(&text, "%s%s", i > 0 ? " " : "", words.items[i]);
	strv_add(argv, "/bin/sh");
	strv_add(argv, "-c");
	strv_add(argv, text.buf);
	return 0;
}

static void answer_host(struct project_op *op, const struct service_plan *plan,
                        const struct strv *argv)
{
	json_t *context = json_object();

	json_set_str(context, "mode", "host");
	json_set_str(context, "cwd", plan->cwd);
	json_object_set_new(context, "argv", json_from_raw_strv(argv));
	json_object_set_new(context, "env", json_from_raw_strv(&plan->env));
	project_op_finish(op, NULL, json_pack("{s:o}", "context", context));
}

static void set_container_args(const json_t *image_defaults, const struct strv *argv,
                               json_t *bundle)
{
	cleanup(strv_release) struct strv args = STRV_INIT;

	container_launcher(image_defaults, &args);
	strv_copy(&args, argv);
	json_object_set_new(bundle, "args", json_from_strv(&args));
	json_set_bool(bundle, "keep_entrypoint", false);
}

static void answer_container(struct project_op *op, const struct strv *argv,
                             const struct service_extra *extra)
{
	json_t *bundle = extra->bundle;
	json_t *network = json_object_get(bundle, "network");
	struct http_exchange *x = take_ptr(op->x);

	if (network)
		json_set_bool(network, "open", true);
	set_container_args(extra->image_defaults, argv, bundle);
	json_set_bool(bundle, "terminal", json_get_bool(op->run_request, "terminal", false));
	run_container_begin(op->daemon, x, op->project_id, op->run_service, bundle);
	project_op_free(op);
}

static int compose(struct project_op *op, struct project *project, struct error *err)
{
	struct compose_request request = project_op_compose_request(op);

	if (is_up(op)) {
		request.moved_service = op->run_service;
		request.moved_port = free_port(err);
		if (request.moved_port < 0)
			return -1;
	}
	return compose_plans(&request, project, &op->diags, err);
}

void run_begin(struct project_op *op)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv argv = STRV_INIT;
	struct project *project =
		project_new(op->project_id, op->config->root, op->config->name, op->config->domain);
	int i;

	if (!op->x) {
		project_op_free(op);
	} else if (read_command(op->run_request, &argv, &err) < 0 ||
	           compose(op, project, &err) < 0) {
		project_op_finish(op, &err, NULL);
	} else {
		i = project_index(project, op->run_service);
		if (project->plans.items[i].mode == PLAN_HOST)
			answer_host(op, &project->plans.items[i], &argv);
		else
			answer_container(op, &argv, &project->extras.items[i]);
	}
	project_destroy(project);
}
