#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/containers.h"
#include "config/project.h"

/* The words of a command line, the last of which is to be completed. */
struct words {
	int count;
	char **items;
};

static void offer(struct strbuf *out, const char *current, const char *word, const char *summary)
{
	if (str_starts(word, current))
		strbuf_addf(out, "%s\t%s\n", word, summary);
}

static void offer_commands(struct strbuf *out, const char *current,
                           const struct command *const *list)
{
	for (; *list; list++)
		if (!(*list)->is_hidden)
			offer(out, current, (*list)->name, (*list)->summary);
}

static void offer_options(struct strbuf *out, const char *current, const struct option *options)
{
	for (const struct option *o = options; o && o->type != OPTION_END; o++) {
		cleanup_free char *word = xasprintf("--%s", o->name);

		offer(out, current, word, o->summary);
	}
}

/* From the project's files, so that it needs no daemon; nothing where they do not load. */
static void offer_services(struct cli *cli, struct strbuf *out, const char *current)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_free char *user_config = NULL;
	cleanup_project struct project_config *config = NULL;

	if (cli_find_project(cli, &ignored) < 0)
		return;
	user_config = paths_user_config(&cli->paths);
	config = project_load(cli->root, user_config, &diags, &ignored);
	if (!config)
		return;
	array_foreach(service, &config->services)
		offer(out, current, (*service)->name, service_mode_name((*service)->mode));
}

static void offer_containers(struct cli *cli, struct strbuf *out, const char *current)
{
	cleanup(strv_release) struct strv names = STRV_INIT;

	containers_names(cli, &names);
	for (size_t i = 0; i < names.len; i++)
		offer(out, current, names.items[i], "container");
}

static void offer_kind(struct cli *cli, struct strbuf *out, const char *current,
                       enum completion kind)
{
	switch (kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_FILES:
		strbuf_adds(out, ":files\n");
		break;
	case COMPLETE_DIRS:
		strbuf_adds(out, ":dirs\n");
		break;
	case COMPLETE_SERVICES:
		offer_services(cli, out, current);
		break;
	case COMPLETE_CONTAINERS:
		offer_containers(cli, out, current);
		break;
	case COMPLETE_COMMANDS:
		offer_commands(out, current, commands);
		break;
	}
}

/* The option whose value follows the word, or NULL. */
static const struct option *awaits_value(const struct option *options, const char *word)
{
	for (const struct option *o = options; o && o->type != OPTION_END; o++) {
		bool is_named = str_starts(word, "--") && str_eq(word + 2, o->name);
		bool is_lettered = word[0] == '-' && word[1] && word[1] == o->letter && !word[2];

		if ((is_named || is_lettered) && o->value)
			return o;
	}
	return NULL;
}

static void offer_value(struct cli *cli, struct strbuf *out, const char *current,
                        const struct option *option)
{
	for (size_t i = 0; option->choices && option->choices[i]; i++)
		offer(out, current, option->choices[i], "");
	offer_kind(cli, out, current, option->complete);
}

static void complete(struct cli *cli, const struct words *words, struct strbuf *out)
{
	const struct command *const *list = commands;
	const struct command *command = NULL;
	const struct option *pending = NULL;
	const char *current = words->items[words->count - 1];
	size_t arguments = 0;

	for (int i = 0; i + 1 < words->count; i++) {
		const char *word = words->items[i];

		if (pending) {
			pending = NULL;
			continue;
		}
		pending = awaits_value(global_options, word);
		if (!pending && command)
			pending = awaits_value(command->options, word);
		if (!list && (str_eq(word, "--") || word[0] != '-'))
			arguments++;
		if (word[0] == '-' || !list)
			continue;
		command = command_find(list, word);
		list = command ? command->commands : NULL;
	}
	if (command && command->command_at && arguments + 1 >= command->command_at) {
		/* Another program's words. */
		offer_kind(cli, out, current, COMPLETE_FILES);
	} else if (pending) {
		offer_value(cli, out, current, pending);
	} else if (current[0] == '-') {
		offer_options(out, current, command ? command->options : NULL);
		offer_options(out, current, global_options);
	} else if (list) {
		offer_commands(out, current, list);
	} else if (command) {
		offer_kind(cli, out, current, command->complete);
	}
}

static int run(struct cli *cli, int argc, char **argv, void *values unused_arg, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct words words = {argc, argv};

	complete(cli, &words, &out);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_complete = {
	.name = "__complete",
	.summary = "What the last word may be, one offer a line",
	.usage = "-- WORD…",
	.min_args = 1,
	.max_args = -1,
	.is_hidden = true,
	.run = run,
};
