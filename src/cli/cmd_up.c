#include "cli/commands.h"

#include "base/error.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/report_plan.h"
#include "cli/up_attach.h"

struct up_options {
	struct option_list host, container, profiles, formation;
	bool attach, no_deps, plan, json;
};

static const struct option options[] = {
	OPT_FLAG('a', "attach", struct up_options, attach,
                 "Then follow the logs; Ctrl-C stops what was started"),
	OPT_LIST(0, "container", struct up_options, container, "SERVICE",
                 "Run SERVICE in a container this time", COMPLETE_SERVICES),
	OPT_LIST('m', "formation", struct up_options, formation, "NAME=COUNT",
                 "How many of each to start: web=1,worker=0; all=COUNT is the rest",
                 COMPLETE_SERVICES),
	OPT_LIST(0, "host", struct up_options, host, "SERVICE", "Run SERVICE on the host this time",
                 COMPLETE_SERVICES),
	OPT_FLAG(0, "json", struct up_options, json, "Print events as JSON, one a line"),
	OPT_FLAG(0, "no-deps", struct up_options, no_deps, "Leave dependencies alone"),
	OPT_FLAG(0, "plan", struct up_options, plan,
                 "Show what would be done, and why; do nothing"),
	OPT_LIST(0, "profile", struct up_options, profiles, "NAME",
                 "Also the services of this profile", COMPLETE_NOTHING),
	OPT_END,
};

static void release(void *values)
{
	struct up_options *up = values;

	option_list_release(&up->host);
	option_list_release(&up->container);
	option_list_release(&up->profiles);
	option_list_release(&up->formation);
}

static json_t *list_to_json(const struct option_list *list)
{
	json_t *array = json_array();

	array_foreach(name, &list->names)
		json_array_append_new(array, json_string(*name));
	return array;
}

static json_t *request(struct cli *cli, int argc, char **argv, const struct up_options *up)
{
	json_t *body = json_object();

	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "env", cli_environment());
	json_object_set_new(body, "services", cli_json_names(argc, argv));
	json_object_set_new(body, "host", list_to_json(&up->host));
	json_object_set_new(body, "container", list_to_json(&up->container));
	json_object_set_new(body, "profiles", list_to_json(&up->profiles));
	json_object_set_new(body, "formation", list_to_json(&up->formation));
	json_set_bool(body, "no_deps", up->no_deps);
	json_set_bool(body, "plan", up->plan);
	return body;
}

static int show_hints(struct cli *cli)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *dot = cli->output.err.unicode ? "·" : "-";

	if (!cli->output.is_live)
		return 0;
	strbuf_addf(&out, "  locald logs -f %s locald status %s locald stop\n", dot, dot);
	output_note(&cli->output, &out);
	return 0;
}

static void show_moved(struct cli *cli, const json_t *result)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	report_moved(result, &cli->output.err, &out);
	if (out.len > 0)
		output_note(&cli->output, &out);
}

int cli_finish_up(struct cli *cli, const struct progress *progress, int r, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *project = json_object_get(progress->result, "project");

	if (cli->machine != MACHINE_OFF)
		return r;
	show_moved(cli, progress->result);
	if (r == 0) {
		report_up(progress->result, progress_elapsed_ms(progress), &cli->output.out, &out);
		if (output_done(&cli->output, &out, err) < 0)
			return -1;
		return report_did_nothing(progress->result) ? 0 : show_hints(cli);
	}
	if (err->code == ERR_INTERRUPTED) {
		strbuf_adds(&out, "interrupted: what this command started is stopped again\n");
		output_note(&cli->output, &out);
	} else if (report_any_failed(project)) {
		progress_show_tails(progress);
		report_failure(project, err->text, err->hint, &cli->output.err, &out);
		output_error(&cli->output, &out);
		return error_exit_code(err->code);
	} else {
		progress_show_tails(progress);
	}
	return -1;
}

static int show_plan(struct cli *cli, const struct progress *progress, int r, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (r < 0 || cli->machine != MACHINE_OFF)
		return r;
	report_plan(json_object_get(progress->result, "plan"), &cli->output.out, &out);
	return output_data(&cli->output, &out, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct up_options *up = values;
	cleanup_json json_t *body = NULL;
	cleanup(progress_release) struct progress progress;
	int r;

	progress_init(&progress, cli, "up");
	if (up->attach && (up->plan || cli->machine != MACHINE_OFF))
		return error_set(err, ERR_USAGE, "--attach and %s exclude each other",
		                 up->plan ? "--plan" : "--json");
	body = request(cli, argc, argv, up);
	cli->unchanged = "nothing was changed; what runs goes on";
	if (up->attach)
		return up_attach(cli, body, argc, argv, err);
	r = progress_run(&progress, "/v1/up", body, err);
	return up->plan ? show_plan(cli, &progress, r, err) : cli_finish_up(cli, &progress, r, err);
}

static const char *const examples[] = {
	"locald up",
	"start everything and wait until it is ready",
	"locald up web",
	"start web and what it depends on",
	"locald up -a",
	"start everything and follow its logs; Ctrl-C stops it again",
	"locald up --plan",
	"what would be started, restarted and stopped, and why",
	"locald up --profile dev",
	"start the services of the profile dev as well",
	"locald up -m worker=0",
	"start everything but worker",
	"locald up --host api",
	"run api on the host this time",
	NULL,
};

const struct command cmd_up = {
	.name = "up",
	.summary = "Start services and wait until they are ready",
	.usage = "[SERVICE…]",
	.about = "Services go on when the command ends. What runs already and has not changed is\n"
		 "left alone. Ctrl-C before it is ready stops what this command started.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct up_options),
	.release = release,
	.max_args = -1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
