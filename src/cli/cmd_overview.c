#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/project_status.h"
#include "cli/report.h"

static const char *const next[][2] = {
	{"locald up", "start everything and wait until it is ready"},
	{"locald status", "what runs, and where"},
	{"locald logs -f", "follow the output of all services"},
	{"locald stop", "stop everything"},
	{"locald help", "all commands"},
};

static void add_next(const struct style *style, struct strbuf *out)
{
	strbuf_adds(out, "next\n");
	for (size_t i = 0; i < ARRAY_LEN(next); i++) {
		strbuf_adds(out, "  ");
		style_text(out, style, COLOUR_BOLD, next[i][0]);
		strbuf_addf(out, "%*s%s\n", (int)(18 - style_columns(next[i][0])), "", next[i][1]);
	}
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg,
               void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style *style = &cli->output.out;
	cleanup_json json_t *status = NULL;
	const json_t *daemon;

	if (cli_find_project(cli, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		strbuf_adds(&out,
		            "no project here: `locald init` writes a locald.toml for this folder,\n"
		            "`locald try COMMAND` runs something without one\n\n");
		error_release(err);
	} else {
		status = project_status(cli, err);
		if (!status)
			return -1;
		daemon = json_object_get(status, "daemon");
		report_status(json_is_object(daemon) ? daemon : NULL,
		              json_array_get(json_object_get(status, "projects"), 0),
		              clock_real_ns(), style, &out);
	}
	add_next(style, &out);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_overview = {
	.name = "overview",
	.summary = "Show the project here and what to do next",
	.is_hidden = true,
	.run = run,
};
