#include "cli/commands.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/project_status.h"
#include "cli/report.h"

/* Pairs: a command line, what it does; NULL-terminated. */
static const char *const next_here[] = {
	"locald up",
	"start everything and wait until it is ready",
	"locald status",
	"what runs, and where",
	"locald logs -f",
	"follow the output of all services",
	"locald stop",
	"stop everything",
	"locald help",
	"all commands",
	NULL,
};

static const char *const next_elsewhere[] = {
	"locald init",
	"write a locald.toml from what this folder has",
	"locald try COMMAND",
	"run something with a port and a URL, without a project",
	"locald status -A",
	"what runs elsewhere",
	"locald help",
	"all commands",
	NULL,
};

static void add_next(const struct style *style, const char *const *next, struct strbuf *out)
{
	strbuf_adds(out, "next\n");
	for (; *next; next += 2) {
		strbuf_adds(out, "  ");
		style_text(out, style, COLOUR_BOLD, next[0]);
		strbuf_addf(out, "%*s%s\n", (int)(22 - style_columns(next[0])), "", next[1]);
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
		strbuf_adds(&out, "no project here\n");
		error_release(err);
	} else {
		status = project_status(cli, err);
		if (!status)
			return -1;
		daemon = json_object_get(status, "daemon");
		report_status(json_is_object(daemon) ? daemon : NULL,
		              json_array_get(json_object_get(status, "projects"), 0), style, &out);
	}
	add_next(style, cli->root ? next_here : next_elsewhere, &out);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_overview = {
	.name = "overview",
	.summary = "Show the project here and what to do next",
	.is_hidden = true,
	.run = run,
};
