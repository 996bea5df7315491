#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

#define COMMANDS_MAX 64

static const char *const colour_choices[] = {"auto", "always", "never", NULL};

/* Keep alphabetized. */
const struct option global_options[] = {
	OPT_CHOICE(0, "color", struct global_options, colour, "WHEN", "auto, always or never",
                   colour_choices),
	OPT_STRING('C', "dir", struct global_options, dir, "DIR", "Act as if started in DIR",
                   COMPLETE_DIRS),
	OPT_FLAG('h', "help", struct global_options, help, "Show help"),
	OPT_FLAG('q', "quiet", struct global_options, is_quiet,
                 "Say nothing but errors and what was asked for"),
	OPT_STRING(0, "sandbox", struct global_options, sandbox, "NAME",
                   "Use a daemon and state of their own", COMPLETE_NOTHING),
	OPT_COUNT('v', "verbose", struct global_options, verbose, "Say more"),
	OPT_FLAG(0, "version", struct global_options, version, "Show the version"),
	OPT_END,
};

/* A command line on its way to a command. */
struct call {
	struct cli *cli;
	struct global_options globals;
	const struct command *command;
	struct strbuf path; /* "image pull" */
};

const struct command *command_find(const struct command *const *list, const char *name)
{
	for (; *list; list++)
		if (str_eq((*list)->name, name) || str_eq_null((*list)->alias, name))
			return *list;
	return NULL;
}

int command_unknown(const struct command *const *list, const char *path, const char *name,
                    struct error *err)
{
	const char *names[COMMANDS_MAX];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; list && list[i] && n + 2 < COMMANDS_MAX; i++) {
		if (list[i]->is_hidden)
			continue;
		names[n++] = list[i]->name;
		if (list[i]->alias)
			names[n++] = list[i]->alias;
	}
	nearest = str_nearest(name, names, n);
	error_set(err, ERR_USAGE, "unknown command `%s%s%s`", path, *path ? " " : "", name);
	if (nearest)
		return error_hint(err, "did you mean `locald %s%s%s`?", path, *path ? " " : "",
		                  nearest);
	return error_hint(err, "`locald help%s%s` lists them", *path ? " " : "", path);
}

/*
 * Follows command names from list, options between them included.  Leaves
 * what comes after the last name in argc and argv.
 */
static int find(struct call *call, int *argc, char ***argv, struct error *err)
{
	const struct option_target target = {global_options, &call->globals};
	const struct command *const *list = commands;

	while (list) {
		struct option_args args = {0};
		int r = option_parse(*argc, *argv, &target, 1, 1, &args, err);
		size_t len = args.items.len;
		const char *name = len > 0 ? args.items.items[0] : NULL;

		array_release(&args.items);
		if (r < 0)
			return -1;
		if (!name)
			return 0;
		call->command = command_find(list, name);
		if (!call->command)
			return command_unknown(list, call->path.buf, name, err);
		if (call->path.len > 0)
			strbuf_addch(&call->path, ' ');
		strbuf_adds(&call->path, call->command->name);
		*argv += *argc - (int)len + 1;
		*argc = (int)len - 1;
		list = call->command->commands;
	}
	return 0;
}

static int check_count(const struct call *call, size_t count, struct error *err)
{
	const struct command *command = call->command;

	if ((int)count < command->min_args)
		error_set(err, ERR_USAGE, "`locald %s` needs %s", call->path.buf, command->usage);
	else if (command->max_args >= 0 && (int)count > command->max_args)
		error_set(err, ERR_USAGE, "`locald %s` takes %s%s", call->path.buf,
		          command->max_args == 0 ? "no arguments" : "only ",
		          command->max_args == 0 ? "" : command->usage);
	else
		return 0;
	return error_hint(err, "`locald help %s` shows how", call->path.buf);
}

static int show_help(const struct call *call, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (call->command)
		help_render(call->command, call->path.buf, &call->cli->output.out, &text);
	else
		help_render_all(&call->cli->output.out, &text);
	return output_data(&call->cli->output, &text, err);
}

static int show_version(struct cli *cli, struct error *err)
{
	return cmd_version.run(cli, 0, NULL, NULL, err);
}

static int prepare(struct call *call, struct error *err)
{
	struct cli *cli = call->cli;

	if (paths_init(&cli->paths, call->globals.sandbox, err) < 0)
		return -1;
	if ((call->command->needs & NEEDS_PROJECT) && cli_find_project(cli, err) < 0)
		return -1;
	if ((call->command->needs & NEEDS_DAEMON) && cli_start_daemon(cli, err) < 0)
		return -1;
	return 0;
}

static int run(struct call *call, struct option_args *args, void *values, struct error *err)
{
	const struct command *command = call->command;

	if (call->globals.help)
		return show_help(call, err);
	if (call->globals.version)
		return show_version(call->cli, err);
	if (!command->run) {
		error_set(err, ERR_USAGE, "`locald %s` needs a command", call->path.buf);
		return error_hint(err, "`locald help %s` lists them", call->path.buf);
	}
	if (check_count(call, args->items.len, err) < 0 || prepare(call, err) < 0)
		return -1;
	return command->run(call->cli, (int)args->items.len, args->items.items, values, err);
}

static bool is_json(const struct command *command, const void *values)
{
	for (const struct option *o = command->options; o && o->type != OPTION_END; o++)
		if (str_eq(o->name, "json"))
			return *(const bool *)((const char *)values + o->offset);
	return false;
}

static int parse_and_run(struct call *call, int argc, char **argv, struct error *err)
{
	const struct command *command = call->command;
	cleanup_free void *values = xcalloc(1, command->options_size ? command->options_size : 1);
	const struct option_target targets[] = {
		{command->options, values},
		{global_options, &call->globals},
	};
	struct option_args args = {0};
	int r;

	if (command->set_defaults)
		command->set_defaults(values);
	r = option_parse(argc, argv, targets, ARRAY_LEN(targets),
	                 command->options_end ? command->options_end : command->command_at, &args,
	                 err);
	call->cli->dir = call->globals.dir;
	call->cli->output.is_quiet = call->globals.is_quiet;
	call->cli->output.verbose = call->globals.verbose;
	output_init(&call->cli->output, call->globals.colour ? call->globals.colour : "auto");
	if (is_json(command, values))
		call->cli->machine = command->machine;
	if (r == 0)
		r = run(call, &args, values, err);
	if (command->release)
		command->release(values);
	array_release(&args.items);
	return r;
}

/* `locald` alone is the overview; `locald --help` is about all commands. */
static int dispatch(struct call *call, int argc, char **argv, struct error *err)
{
	if (find(call, &argc, &argv, err) < 0)
		return -1;
	if (call->command)
		return parse_and_run(call, argc, argv, err);
	output_init(&call->cli->output, call->globals.colour ? call->globals.colour : "auto");
	if (call->globals.help)
		return show_help(call, err);
	if (call->globals.version)
		return show_version(call->cli, err);
	call->command = command_find(commands, "overview");
	return parse_and_run(call, 0, NULL, err);
}

int command_main(int argc, char **argv)
{
	cleanup(cli_release) struct cli cli;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct call call = {.cli = &cli, .path = STRBUF_INIT};
	int code;

	cli_init(&cli);
	code = dispatch(&call, argc - 1, argv + 1, &err);
	if (code < 0 && err.code == ERR_USAGE && !err.hint)
		error_hint(&err, "`locald help%s%s` shows how", call.path.len ? " " : "",
		           call.path.buf);
	strbuf_release(&call.path);
	return code < 0 ? cli_report(&cli, &err) : code;
}
