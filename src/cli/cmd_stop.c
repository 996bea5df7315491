#include "cli/commands.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/progress.h"

struct stop_options {
	bool json;
};

static const struct option options[] = {
	OPT_FLAG(0, "json", struct stop_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

/* "✔ web 0.2s   ! cache killed after 10s" */
static size_t add_stopped(const struct progress *progress, const struct style *style,
                          struct strbuf *out)
{
	size_t stopped = 0;

	array_foreach(row, &progress->rows) {
		bool was_killed = row->text && strstr(row->text, "kill");

		if (!row->is_over || !row->state || !str_eq(row->state, "stopped"))
			continue;
		if (stopped++ > 0)
			strbuf_adds(out, "   ");
		style_glyph(out, style, was_killed ? GLYPH_WARN : GLYPH_OK);
		strbuf_addf(out, " %s ", row->name);
		if (was_killed)
			strbuf_addf(out, "%s ", row->text);
		style_duration(out, row->took_ms);
	}
	if (stopped > 0)
		strbuf_addch(out, '\n');
	return stopped;
}

static int show(struct cli *cli, const struct progress *progress, bool is_all, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *project = json_object_get(progress->result, "project");
	cleanup_free char *name = style_safe_dup(json_get_str(project, "name", "project"));
	size_t stopped = add_stopped(progress, &cli->output.out, &out);

	style_glyph(&out, &cli->output.out, GLYPH_OK);
	if (stopped == 0)
		strbuf_addf(&out, " %s: nothing was running\n", name);
	else if (is_all)
		strbuf_addf(&out, " %s stopped: %zu service%s\n", name, stopped,
		            stopped == 1 ? "" : "s");
	else
		strbuf_addf(&out, " %s: %zu service%s stopped\n", name, stopped,
		            stopped == 1 ? "" : "s");
	return output_done(&cli->output, &out, err);
}

static int nothing_runs(struct cli *cli, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_json json_t *result = json_object();

	if (cli->machine != MACHINE_OFF) {
		json_set_str(result, "event", "result");
		json_set_bool(result, "ok", true);
		json_object_set_new(result, "stopped", json_array());
		return cli_print_json(cli, result, err);
	}
	style_glyph(&out, &cli->output.out, GLYPH_OK);
	strbuf_adds(&out, " nothing was running\n");
	return output_done(&cli->output, &out, err);
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();

	progress_init(&progress, cli, "stop");
	if (cli_find_daemon(cli, err) < 0)
		return -1;
	if (!cli->client)
		return nothing_runs(cli, err);
	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", cli_json_names(argc, argv));
	if (progress_run(&progress, "/v1/stop", body, err) < 0)
		return -1;
	if (cli->machine != MACHINE_OFF)
		return 0;
	if (!json_object_get(progress.result, "project"))
		return nothing_runs(cli, err);
	return show(cli, &progress, argc == 0, err);
}

static const char *const examples[] = {
	"locald stop",
	"stop every service of this project",
	"locald stop web",
	"stop web and what depends on it",
	NULL,
};

const struct command cmd_stop = {
	.name = "stop",
	.alias = "down",
	.summary = "Stop services, dependents first",
	.usage = "[SERVICE…]",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct stop_options),
	.max_args = -1,
	.needs = NEEDS_PROJECT,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
