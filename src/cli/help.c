#include "cli/command.h"

#include "base/str.h"

#define SUMMARY_COLUMN 26

static void heading(struct strbuf *out, const struct style *style, const char *text)
{
	if (out->len > 0)
		strbuf_addch(out, '\n');
	style_text(out, style, COLOUR_BOLD, text);
	strbuf_addch(out, '\n');
}

static void entry(struct strbuf *out, const char *left, const char *summary)
{
	size_t columns = style_columns(left);

	strbuf_addf(out, "  %s", left);
	if (columns + 2 > SUMMARY_COLUMN) {
		strbuf_addch(out, '\n');
		columns = 0;
	} else {
		columns += 2;
	}
	strbuf_addf(out, "%*s%s\n", (int)(SUMMARY_COLUMN - columns + 2), "", summary);
}

static void add_options(struct strbuf *out, const struct style *style, const char *title,
                        const struct option *options)
{
	if (!options || options->type == OPTION_END)
		return;
	heading(out, style, title);
	for (const struct option *o = options; o->type != OPTION_END; o++) {
		cleanup(strbuf_release) struct strbuf left = STRBUF_INIT;

		if (o->letter)
			strbuf_addf(&left, "-%c, ", o->letter);
		else
			strbuf_adds(&left, "    ");
		strbuf_addf(&left, "--%s%s%s", o->name, o->value ? " " : "",
		            o->value ? o->value : "");
		entry(out, left.buf, o->summary);
	}
}

static void add_commands(struct strbuf *out, const struct style *style,
                         const struct command *const *list)
{
	heading(out, style, "Commands");
	for (; *list; list++)
		if (!(*list)->is_hidden)
			entry(out, (*list)->name, (*list)->summary);
}

static void add_examples(struct strbuf *out, const struct style *style, const char *const *examples)
{
	if (!examples)
		return;
	heading(out, style, "Examples");
	for (; *examples; examples += 2)
		entry(out, examples[0], examples[1]);
}

void help_render(const struct command *command, const char *path, const struct style *style,
                 struct strbuf *out)
{
	strbuf_addf(out, "%s\n", command->summary);
	add_examples(out, style, command->examples);
	heading(out, style, "Usage");
	strbuf_addf(out, "  locald %s%s%s%s%s%s\n", path, command->commands ? " COMMAND" : "",
	            command->options ? " [OPTIONS]" : "", command->usage ? " " : "",
	            command->usage ? command->usage : "", command->commands ? " …" : "");
	if (command->alias)
		strbuf_addf(out, "  (or `locald %s`)\n", command->alias);
	if (command->about)
		strbuf_addf(out, "\n%s\n", command->about);
	if (command->commands)
		add_commands(out, style, command->commands);
	add_options(out, style, "Options", command->options);
	add_options(out, style, "Options of every command", global_options);
}

void help_render_all(const struct style *style, struct strbuf *out)
{
	strbuf_adds(out, "locald runs the services of a project, on the host or in containers\n");
	heading(out, style, "Usage");
	strbuf_adds(out, "  locald COMMAND [OPTIONS] …\n");
	add_commands(out, style, commands);
	add_options(out, style, "Options of every command", global_options);
	strbuf_adds(out, "\n`locald help COMMAND` shows examples and options of a command.\n");
}
