#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/project_status.h"
#include "cli/report.h"

struct status_options {
	bool all, check, json;
};

static const struct option options[] = {
	OPT_FLAG('A', "all", struct status_options, all, "All projects, not only this one"),
	OPT_FLAG(0, "check", struct status_options, check, "Exit with 1 unless all is ready"),
	OPT_FLAG(0, "json", struct status_options, json, "Print JSON"),
	OPT_END,
};

/* A service that ended well, once, is as good as ready. */
static bool is_fine(const json_t *service)
{
	return json_get_bool(service, "ready", false) ||
	       str_eq(json_get_str(service, "state", ""), "exited");
}

static bool all_fine(const json_t *status)
{
	const json_t *project, *service;
	size_t p, s, seen = 0;

	json_array_foreach(json_object_get(status, "projects"), p, project)
		json_array_foreach(json_object_get(project, "services"), s, service) {
			seen++;
			if (!is_fine(service))
				return false;
		}
	return seen > 0;
}

static void show(const json_t *status, const struct style *style, struct strbuf *out)
{
	const json_t *daemon = json_object_get(status, "daemon");
	const json_t *project;
	size_t i;

	json_array_foreach(json_object_get(status, "projects"), i, project) {
		if (i > 0)
			strbuf_addch(out, '\n');
		report_status(json_is_object(daemon) ? daemon : NULL, project, clock_real_ns(),
		              style, out);
	}
	if (out->len == 0)
		strbuf_adds(out, "no project has services here; `locald up` in its folder starts "
		                 "them\n");
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
               struct error *err)
{
	const struct status_options *opts = values;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_json json_t *status = NULL;
	cleanup_json json_t *flat = NULL;
	int r;

	if (!opts->all && cli_find_project(cli, err) < 0)
		return -1;
	status = project_status(cli, err);
	if (!status)
		return -1;
	if (opts->json) {
		flat = report_status_json(status);
		r = cli_print_json(cli, flat, err);
	} else {
		show(status, &cli->output.out, &out);
		r = output_data(&cli->output, &out, err);
	}
	if (r < 0)
		return -1;
	return opts->check && !all_fine(status) ? 1 : 0;
}

static const char *const examples[] = {
	"locald status",
	"this project's services",
	"locald status -A",
	"every project's",
	"locald status --check",
	"for scripts: is all of it ready?",
	NULL,
};

const struct command cmd_status = {
	.name = "status",
	.alias = "ps",
	.summary = "Show services, their health and their URLs",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct status_options),
	.machine = MACHINE_OBJECT,
	.run = run,
};
