#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/log_line.h"
#include "config/project.h"

#define DEFAULT_LINES 200
#define FLUSH_SIZE    (32 * 1024)

struct logs_options {
	bool follow, json, raw, no_prefix;
	int lines;
};

static const struct option options[] = {
	OPT_FLAG('f', "follow", struct logs_options, follow, "Go on with what comes, until Ctrl-C"),
	OPT_FLAG(0, "json", struct logs_options, json, "Print records as JSON, one a line"),
	OPT_INT('n', "lines", struct logs_options, lines, "N",
                "The last N lines of each service (200)"),
	OPT_FLAG(0, "no-prefix", struct logs_options, no_prefix, "Without time and service"),
	OPT_FLAG(0, "raw", struct logs_options, raw, "The bytes as they were, nothing else"),
	OPT_END,
};

/* Lines gather, and are written when no more are there for now. */
struct viewer {
	struct cli *cli;
	struct log_view view;
	struct strbuf out;
	struct error write_error;
};

static int flush(struct viewer *viewer, struct error *err)
{
	int r = 0;

	if (viewer->out.len > 0)
		r = output_data(&viewer->cli->output, &viewer->out, err);
	strbuf_reset(&viewer->out);
	return r;
}

static void on_idle(void *data)
{
	struct viewer *viewer = data;

	if (flush(viewer, &viewer->write_error) < 0)
		return; /* told by the next line */
}

static int on_line(json_t *line, void *data, struct error *err)
{
	struct viewer *viewer = data;

	if (viewer->write_error.code)
		return error_move(err, &viewer->write_error);
	if (str_eq(json_get_str(line, "event", ""), "result")) {
		if (!json_get_bool(line, "ok", true))
			return cli_take_error(viewer->cli, json_object_get(line, "error"), err);
	} else if (viewer->cli->machine != MACHINE_OFF) {
		cleanup_free char *text = json_text(line);

		strbuf_addf(&viewer->out, "%s\n", text);
	} else if (log_view_render(&viewer->view, line, &viewer->out, err) < 0) {
		return -1;
	}
	return viewer->out.len >= FLUSH_SIZE ? flush(viewer, err) : 0;
}

/* So that the first lines are as wide as the last; a file that does not load shows in `up`. */
static void add_names(struct viewer *viewer, int argc, char **argv)
{
	struct cli *cli = viewer->cli;
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_free char *user_config = paths_user_config(&cli->paths);
	cleanup_project struct project_config *config =
		project_load(cli->root, user_config, &diags, &ignored);

	for (int i = 0; i < argc; i++)
		log_view_add_name(&viewer->view, argv[i]);
	if (!config || argc > 0)
		return;
	array_foreach(service, &config->services)
		log_view_add_name(&viewer->view, (*service)->name);
}

static void add_target(const struct cli *cli, const struct logs_options *logs, int argc,
                       char **argv, struct strbuf *target)
{
	cleanup_free char *lines = xasprintf("%d", logs->lines);

	strbuf_adds(target, "/v1/logs");
	cli_add_query(target, "root", cli->root);
	for (int i = 0; i < argc; i++)
		cli_add_query(target, "service", argv[i]);
	cli_add_query(target, "n", lines);
	if (logs->follow)
		cli_add_query(target, "follow", "1");
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct logs_options *logs = values;
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	struct viewer viewer = {
		.cli = cli,
		.view = {.style = cli->output.out,
	                 .has_prefix = !logs->no_prefix,
	                 .is_raw = logs->raw},
		.out = STRBUF_INIT,
	};
	int r;

	add_names(&viewer, argc, argv);
	add_target(cli, logs, argc, argv, &target);
	r = cli_catch_interrupt(cli, &(struct client_watch){.on_idle = on_idle, .data = &viewer},
	                        err);
	if (r == 0)
		r = cli_stream(cli, "GET", target.buf, NULL, on_line, &viewer, err);
	if (r == 0)
		r = flush(&viewer, err);
	error_release(&viewer.write_error);
	log_view_release(&viewer.view);
	strbuf_release(&viewer.out);
	return r;
}

static void set_defaults(void *values)
{
	struct logs_options *logs = values;

	logs->lines = DEFAULT_LINES;
}

static const char *const examples[] = {
	"locald logs",
	"the last lines of all services, merged",
	"locald logs -f web",
	"follow web until Ctrl-C",
	NULL,
};

const struct command cmd_logs = {
	.name = "logs",
	.summary = "Show what services wrote",
	.usage = "[SERVICE…]",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct logs_options),
	.set_defaults = set_defaults,
	.max_args = -1,
	.needs = NEEDS_PROJECT | NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
