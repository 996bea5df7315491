#include "cli/commands.h"

#include "base/error.h"

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT, path = STRBUF_INIT;
	const struct command *const *list = commands;
	const struct command *command = NULL;

	for (int i = 0; i < argc; i++) {
		command = list ? command_find(list, argv[i]) : NULL;
		if (!command)
			return command_unknown(list, path.buf, argv[i], err);
		strbuf_addf(&path, "%s%s", i > 0 ? " " : "", command->name);
		list = command->commands;
	}
	if (command)
		help_render(command, path.buf, &cli->output.out, &out);
	else
		help_render_all(&cli->output.out, &out);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_help = {
	.name = "help",
	.summary = "Show how to use a command",
	.usage = "[COMMAND]",
	.max_args = 2,
	.complete = COMPLETE_COMMANDS,
	.run = run,
};
