#include "cli/commands.h"

#include "base/error.h"
#include "base/version.h"

static const char *const type_names[] = {
	[OPTION_FLAG] = "flag",     [OPTION_COUNT] = "count",   [OPTION_INT] = "integer",
	[OPTION_TIME] = "time",     [OPTION_STRING] = "string", [OPTION_LIST] = "list",
	[OPTION_CHOICE] = "choice",
};

static json_t *options_json(const struct option *options)
{
	json_t *array = json_array();

	for (const struct option *o = options; o && o->type != OPTION_END; o++) {
		json_t *object = json_object();

		json_set_str(object, "name", o->name);
		if (o->letter)
			json_object_set_new(object, "letter", json_stringn(&o->letter, 1));
		json_set_str(object, "type", type_names[o->type]);
		if (o->value)
			json_set_str(object, "value", o->value);
		json_set_str(object, "summary", o->summary);
		if (o->choices) {
			json_t *choices = json_array();

			for (size_t i = 0; o->choices[i]; i++)
				json_array_append_new(choices, json_string(o->choices[i]));
			json_object_set_new(object, "choices", choices);
		}
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *examples_json(const char *const *examples)
{
	json_t *array = json_array();

	for (; examples && *examples; examples += 2)
		json_array_append_new(array, json_pack("{s:s, s:s}", "command", examples[0],
		                                       "summary", examples[1]));
	return array;
}

static json_t *commands_json(const struct command *const *list)
{
	json_t *array = json_array();

	for (; list && *list; list++) {
		const struct command *command = *list;
		json_t *object;

		if (command->is_hidden)
			continue;
		object = json_object();
		json_set_str(object, "name", command->name);
		if (command->alias)
			json_set_str(object, "alias", command->alias);
		json_set_str(object, "summary", command->summary);
		if (command->usage)
			json_set_str(object, "usage", command->usage);
		if (command->about)
			json_set_str(object, "about", command->about);
		if (command->command_at)
			json_set_int(object, "command_at", (int)command->command_at);
		json_object_set_new(object, "options", options_json(command->options));
		json_object_set_new(object, "examples", examples_json(command->examples));
		if (command->commands)
			json_object_set_new(object, "commands", commands_json(command->commands));
		json_array_append_new(array, object);
	}
	return array;
}

json_t *surface_json(void)
{
	json_t *object = json_object();

	json_set_int(object, "schema", 1);
	json_set_str(object, "program", "locald");
	json_set_str(object, "version", locald_version);
	json_object_set_new(object, "options", options_json(global_options));
	json_object_set_new(object, "commands", commands_json(commands));
	return object;
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg,
               void *values unused_arg, struct error *err)
{
	cleanup_json json_t *surface = surface_json();
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	char *text = json_dumps(surface, JSON_INDENT(2));

	strbuf_addf(&out, "%s\n", text);
	free(text);
	return output_data(&cli->output, &out, err);
}

const struct command cmd_surface = {
	.name = "__surface",
	.summary = "Print all commands and options as JSON",
	.is_hidden = true,
	.run = run,
};
