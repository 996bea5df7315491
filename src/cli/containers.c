#include "cli/containers.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/job.h"
#include "cli/log_options.h"
#include "cli/progress.h"
#include "cli/service_text.h"
#include "cli/table.h"

struct container_options {
	bool json, force;
};

static const struct option list_options[] = {
	OPT_FLAG(0, "json", struct container_options, json, "Print JSON"),
	OPT_END,
};

static const struct option event_options[] = {
	OPT_FLAG(0, "json", struct container_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

static const struct option rm_options[] = {
	OPT_FLAG('f', "force", struct container_options, force, "Stop those that run"),
	OPT_FLAG(0, "json", struct container_options, json, "Print events as JSON, one a line"),
	OPT_END,
};

/* --- which --- */

void containers_names(const struct cli *cli, struct strv *out)
{
	cleanup_free char *dir = paths_detached_dir(&cli->paths);

	fs_names(dir, out);
}

/* Its folder becomes the project's: the commands of services do the rest. */
static int choose(struct cli *cli, const char *name, struct error *err)
{
	cleanup_free char *dir = paths_detached_dir(&cli->paths);
	cleanup(strv_release) struct strv names = STRV_INIT;
	const char *nearest;

	containers_names(cli, &names);
	free(take_ptr(cli->root));
	if (strv_has(&names, name)) {
		cli->root = path_join(dir, name);
		return 0;
	}
	nearest = str_nearest(name, (const char *const *)names.items, names.len);
	error_set(err, ERR_NOT_FOUND, "no container `%s`", name);
	return nearest ? error_hint(err, "did you mean `%s`?", nearest)
	               : error_hint(err, "`locald container list` shows those there are");
}

/* One that is not there is told before anything is done to the others. */
static int choose_all(struct cli *cli, int argc, char **argv, struct error *err)
{
	for (int i = 0; i < argc; i++)
		if (choose(cli, argv[i], err) < 0)
			return -1;
	return 0;
}

/* --- run -d --- */

/* As without -d: what could not be executed has the exit code of a shell. */
static int report_failure(struct cli *cli, const struct progress *progress, struct error *err)
{
	int code = (int)json_get_int(progress->result, "exit_code", 0);

	if (code <= 0)
		return -1;
	cli_report(cli, err);
	return code;
}

/* It was executed, and ended at once. */
static void note_end(struct cli *cli, const json_t *container)
{
	cleanup(strbuf_release) struct strbuf note = STRBUF_INIT;
	const char *end = json_get_str(container, "ended", NULL);

	if (!end)
		return;
	style_glyph(&note, &cli->output.err, GLYPH_WARN);
	strbuf_addf(&note, " %s ", json_get_str(container, "name", "?"));
	style_safe(&note, end, strlen(end));
	strbuf_addch(&note, '\n');
	output_note(&cli->output, &note);
}

int containers_start(struct cli *cli, const json_t *body, struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *container;

	progress_init(&progress, cli, "run");
	if (progress_run(&progress, "/v1/container", body, err) < 0)
		return report_failure(cli, &progress, err);
	container = json_object_get(progress.result, "container");
	note_end(cli, container);
	strbuf_addf(&out, "%s\n", json_get_str(container, "name", "?"));
	return output_data(&cli->output, &out, err);
}

/* --- list --- */

static const struct table_column columns[] = {
	{.title = "CONTAINER"},
	{.title = "STATE"},
	{.title = "", .drop = 2},
	{.title = "UP", .drop = 3},
	{.title = "PORTS", .drop = 1},
	{.title = "IMAGE", .drop = 4},
	{.title = "COMMAND", .flex = true},
};

/* How it ended, and that it is not well. */
static char *detail_cell(const json_t *container)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (json_is_object(json_object_get(container, "last_exit")))
		service_add_last_exit(&out, container);
	else
		service_add_text(&out, json_get_str(container, "detail", ""));
	return strbuf_detach(&out);
}

static char *ports_cell(const json_t *container)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(container, "publish"), i, pair) {
		strbuf_addf(&out, "%s127.0.0.1:%d->%d", i > 0 ? ", " : "",
		            (int)json_integer_value(json_array_get(pair, 0)),
		            (int)json_integer_value(json_array_get(pair, 1)));
	}
	return strbuf_detach(&out);
}

static char *command_cell(const json_t *container)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *word;
	size_t i;

	json_array_foreach(json_object_get(container, "argv"), i, word) {
		strbuf_adds(&out, i > 0 ? " " : "");
		service_add_text(&out, json_string_value(word));
	}
	return strbuf_detach(&out);
}

static int show(struct cli *cli, const json_t *containers, struct error *err)
{
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style *style = &cli->output.out;
	const json_t *container;
	size_t i;

	json_array_foreach(containers, i, container) {
		table_add(&table, service_text(container, "name", "?"));
		table_add(&table, service_state_cell(container, style));
		table_add(&table, detail_cell(container));
		table_add(&table, service_uptime_cell(container));
		table_add(&table, ports_cell(container));
		table_add(&table, service_text(container, "image", ""));
		table_add(&table, command_cell(container));
	}
	if (table.cells.len > 0)
		table_render(&table, style, "", &out);
	else
		strbuf_adds(&out, "no containers\n");
	return output_data(&cli->output, &out, err);
}

static int run_list(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                    void *values unused_arg, struct error *err)
{
	cleanup_json json_t *answer = cli_call(cli, "GET", "/v1/containers", NULL, err);

	if (!answer)
		return -1;
	if (cli->machine != MACHINE_OFF)
		return cli_print_json(cli, answer, err);
	return show(cli, json_object_get(answer, "containers"), err);
}

/* --- start, stop and rm --- */

static int done(struct cli *cli, const char *verb, const char *name, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s %s", verb, name);
	return job_done(cli, &text, err);
}

static int start_one(struct cli *cli, const char *name, bool is_restart, struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_pack("{s:s, s:b}", "name", name, "restart", is_restart);

	progress_init(&progress, cli, "start");
	if (progress_run(&progress, "/v1/container/start", body, err) < 0)
		return report_failure(cli, &progress, err);
	note_end(cli, json_object_get(progress.result, "container"));
	return done(cli, is_restart ? "restarted" : "started", name, err);
}

static int start_all(struct cli *cli, int argc, char **argv, bool is_restart, struct error *err)
{
	if (choose_all(cli, argc, argv, err) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		int code = start_one(cli, argv[i], is_restart, err);

		if (code != 0)
			return code;
	}
	return 0;
}

static int run_start(struct cli *cli, int argc, char **argv, void *values unused_arg,
                     struct error *err)
{
	return start_all(cli, argc, argv, false, err);
}

static int run_restart(struct cli *cli, int argc, char **argv, void *values unused_arg,
                       struct error *err)
{
	return start_all(cli, argc, argv, true, err);
}

static int stop_one(struct cli *cli, char *name, struct error *err)
{
	cleanup(progress_release) struct progress progress;
	cleanup_json json_t *body = json_object();

	progress_init(&progress, cli, "stop");
	if (choose(cli, name, err) < 0)
		return -1;
	json_set_str(body, "root", cli->root);
	json_object_set_new(body, "services", cli_json_names(1, &name));
	if (progress_run(&progress, "/v1/stop", body, err) < 0)
		return -1;
	return done(cli, "stopped", name, err);
}

static int run_stop(struct cli *cli, int argc, char **argv, void *values unused_arg,
                    struct error *err)
{
	if (choose_all(cli, argc, argv, err) < 0)
		return -1;
	for (int i = 0; i < argc; i++)
		if (stop_one(cli, argv[i], err) < 0)
			return -1;
	return 0;
}

static int remove_one(struct cli *cli, const char *name, bool is_forced, struct error *err)
{
	cleanup_json json_t *body = json_pack("{s:s, s:b}", "name", name, "force", is_forced);
	cleanup_json json_t *answer = cli_call(cli, "POST", "/v1/container/remove", body, err),
			    *event = NULL;

	if (!answer)
		return -1;
	if (cli->machine == MACHINE_OFF)
		return done(cli, "removed", name, err);
	event = json_pack("{s:s, s:b, s:s}", "event", "result", "ok", 1, "name", name);
	return cli_print_json(cli, event, err);
}

static int run_rm(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct container_options *opts = values;

	if (choose_all(cli, argc, argv, err) < 0)
		return -1;
	for (int i = 0; i < argc; i++)
		if (remove_one(cli, argv[i], opts->force, err) < 0)
			return -1;
	return 0;
}

/* --- commands of services --- */

static int run_logs(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	return choose(cli, argv[0], err) < 0 ? -1 : cmd_logs.run(cli, argc, argv, values, err);
}

static int run_exec(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	return choose(cli, argv[0], err) < 0 ? -1 : cmd_exec.run(cli, argc, argv, values, err);
}

static int run_attach(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	return choose(cli, argv[0], err) < 0 ? -1 : cmd_attach.run(cli, argc, argv, values, err);
}

const struct command container_attach = {
	.name = "attach",
	.summary = "Attach the terminal to a container",
	.usage = "CONTAINER",
	.about = "Keys are passed on when it was started with -i. Detach with Ctrl-\\ d where it "
		 "has\n"
		 "a terminal (-t), with Ctrl-C else.",
	.min_args = 1,
	.max_args = 1,
	.complete = COMPLETE_CONTAINERS,
	.run = run_attach,
};

const struct command container_exec = {
	.name = "exec",
	.summary = "Run a command in a container that runs",
	.usage = "CONTAINER [--] COMMAND…",
	.options = exec_options,
	.options_size = sizeof(struct exec_options),
	.min_args = 2,
	.max_args = -1,
	.command_at = 2,
	.needs = NEEDS_DAEMON,
	.complete = COMPLETE_CONTAINERS,
	.run = run_exec,
};

const struct command container_list = {
	.name = "list",
	.alias = "ls",
	.summary = "Show the containers that were started with -d",
	.options = list_options,
	.options_size = sizeof(struct container_options),
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_OBJECT,
	.run = run_list,
};

const struct command container_logs = {
	.name = "logs",
	.summary = "Show what a container wrote",
	.usage = "CONTAINER",
	.options = log_options_table,
	.options_size = sizeof(struct log_options),
	.set_defaults = log_options_defaults,
	.min_args = 1,
	.max_args = 1,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_CONTAINERS,
	.run = run_logs,
};

const struct command container_rm = {
	.name = "rm",
	.alias = "remove",
	.summary = "Remove containers, with their logs",
	.usage = "CONTAINER…",
	.options = rm_options,
	.options_size = sizeof(struct container_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_CONTAINERS,
	.run = run_rm,
};

const struct command container_stop = {
	.name = "stop",
	.summary = "Stop containers; their logs stay",
	.usage = "CONTAINER…",
	.options = event_options,
	.options_size = sizeof(struct container_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_CONTAINERS,
	.run = run_stop,
};

const struct command container_start = {
	.name = "start",
	.summary = "Start containers that have ended again",
	.usage = "CONTAINER…",
	.about = "With the image, options and volumes that they had; what they wrote elsewhere is\n"
		 "gone. The log goes on.",
	.options = event_options,
	.options_size = sizeof(struct container_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_CONTAINERS,
	.run = run_start,
};

const struct command container_restart = {
	.name = "restart",
	.summary = "Stop containers, and start them again",
	.usage = "CONTAINER…",
	.about = "As `locald container start`, also those that run.",
	.options = event_options,
	.options_size = sizeof(struct container_options),
	.min_args = 1,
	.max_args = -1,
	.needs = NEEDS_DAEMON,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_CONTAINERS,
	.run = run_restart,
};
