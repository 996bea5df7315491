#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/project_status.h"
#include "cli/report.h"
#include "cli/status_watch.h"

struct status_options {
	bool all, check, json, watch;
};

static const struct option options[] = {
	OPT_FLAG('A', "all", struct status_options, all, "All projects, not only this one"),
	OPT_FLAG(0, "check", struct status_options, check, "Exit with 1 unless all is ready"),
	OPT_FLAG(0, "json", struct status_options, json, "Print JSON"),
	OPT_FLAG('w', "watch", struct status_options, watch, "Show each change, until Ctrl-C"),
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

static void add_text(const json_t *status, const struct style *style, struct strbuf *out)
{
	const json_t *daemon = json_object_get(status, "daemon");
	const json_t *project;
	size_t i;

	json_array_foreach(json_object_get(status, "projects"), i, project) {
		if (i > 0)
			strbuf_addch(out, '\n');
		report_status(json_is_object(daemon) ? daemon : NULL, project, style, out);
	}
	if (out->len == 0)
		strbuf_adds(out, "no project has services here; `locald up` in its folder starts "
		                 "them\n");
}

static int show(struct cli *cli, json_t *status, struct strbuf *out, struct error *err)
{
	if (cli->machine == MACHINE_OFF) {
		add_text(status, &cli->output.out, out);
	} else {
		cleanup_json json_t *flat = report_status_json(status);
		cleanup_free char *text = json_text(flat);

		strbuf_addf(out, "%s\n", text);
	}
	return 0;
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
               struct error *err)
{
	const struct status_options *opts = values;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_json json_t *status = NULL;

	if (opts->check && opts->watch)
		return error_set(err, ERR_USAGE, "--check and --watch cannot go together");
	if (!opts->all && cli_find_project(cli, err) < 0)
		return -1;
	if (opts->watch)
		return status_watch(cli, show, err);
	status = project_status(cli, err);
	if (!status)
		return -1;
	status_add_cpu(status, NULL, 0);
	if (show(cli, status, &out, err) < 0 || output_data(&cli->output, &out, err) < 0)
		return -1;
	return opts->check && !all_fine(status) ? 1 : 0;
}

static const char *const examples[] = {
	"locald status",         "this project's services",     "locald status -A",
	"every project's",       "locald status --check",       "for scripts: is all of it ready?",
	"locald status --watch", "as it changes, until Ctrl-C", NULL,
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
