#include "cli/commands.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/project.h"
#include "config/schema.h"

struct config_options {
	bool provenance, json;
};

static const struct option check_options[] = {
	OPT_FLAG(0, "json", struct config_options, json, "Print JSON"),
	OPT_END,
};

static const struct option show_options[] = {
	OPT_FLAG(0, "json", struct config_options, json, "Print JSON"),
	OPT_FLAG('p', "provenance", struct config_options, provenance,
                 "Name the file and line of each value"),
	OPT_END,
};

static struct project_config *load(struct cli *cli, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&cli->paths);

	return project_load(cli->root, user_config, &cli->diagnostics, err);
}

static int check_json(struct cli *cli, struct error *err)
{
	cleanup_json json_t *object = json_object();

	json_set_int(object, "schema", 1);
	json_set_bool(object, "ok", true);
	json_object_set_new(object, "diagnostics", diag_to_json(&cli->diagnostics));
	return cli_print_json(cli, object, err);
}

static int run_check(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                     void *values unused_arg, struct error *err)
{
	cleanup_project struct project_config *config = load(cli, err);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT, warnings = STRBUF_INIT;
	size_t count;

	if (!config)
		return -1;
	if (cli->machine != MACHINE_OFF)
		return check_json(cli, err);
	diag_render_all(&cli->diagnostics, cli->output.err.colour, &warnings);
	output_note(&cli->output, &warnings);
	count = config->services.len;
	style_glyph(&out, &cli->output.out, GLYPH_OK);
	strbuf_addf(&out, " %s: %zu service%s, ", config->name, count, count == 1 ? "" : "s");
	if (cli->diagnostics.items.len > 0)
		strbuf_addf(&out, "%zu warning%s\n", cli->diagnostics.items.len,
		            cli->diagnostics.items.len == 1 ? "" : "s");
	else
		strbuf_adds(&out, "no problems\n");
	return output_data(&cli->output, &out, err);
}

static int run_schema(struct cli *cli, int argc unused_arg, char **argv unused_arg,
                      void *values unused_arg, struct error *err)
{
	cleanup_json json_t *schema = schema_to_json_schema();
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	char *text = json_dumps(schema, JSON_INDENT(2));

	strbuf_addf(&out, "%s\n", text);
	free(text);
	return output_data(&cli->output, &out, err);
}

static json_t *config_to_json(const struct project_config *config)
{
	json_t *object = json_object(), *services = json_object();

	json_set_int(object, "schema", 1);
	json_set_str(object, "name", config->name);
	json_set_str(object, "root", config->root);
	json_set_str(object, "domain", config->domain);
	array_foreach(service, &config->services)
		json_object_set_new(services, (*service)->name, service_to_json(*service));
	json_object_set_new(object, "services", services);
	return object;
}

static void add_value(struct strbuf *out, const struct style *style, const char *path,
                      const json_t *value, const struct config_place *place)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	strbuf_addf(out, "%s = ", path);
	style_safe(out, text, strlen(text));
	free(text);
	if (place) {
		cleanup_free char *file = style_safe_dup(place->file->name);
		cleanup_free char *where = xasprintf("  # %s:%d", file, place->pos.line);

		style_text(out, style, COLOUR_DIM, where);
	}
	strbuf_addch(out, '\n');
}

static void add_service(struct strbuf *out, const struct style *style,
                        const struct service_config *service, bool provenance)
{
	cleanup_json json_t *object = service_to_json(service);
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		cleanup_free char *path = xasprintf("services.%s.%s", service->name, key);

		if (!json_is_null(value))
			add_value(out, style, path, value,
			          provenance ? service_place_of(service, key) : NULL);
	}
}

static int run_show(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
                    struct error *err)
{
	const struct config_options *opts = values;
	cleanup_project struct project_config *config = load(cli, err);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const struct style *style = &cli->output.out;

	if (!config)
		return -1;
	if (opts->json) {
		cleanup_json json_t *object = config_to_json(config);

		return cli_print_json(cli, object, err);
	}
	strbuf_addf(&out, "project.name = \"%s\"\nproject.domain = \"%s\"\n", config->name,
	            config->domain);
	array_foreach(service, &config->services)
		add_service(&out, style, *service, opts->provenance);
	return output_data(&cli->output, &out, err);
}

static const struct command check = {
	.name = "check",
	.summary = "Check the project's files; start nothing",
	.options = check_options,
	.options_size = sizeof(struct config_options),
	.needs = NEEDS_PROJECT,
	.machine = MACHINE_OBJECT,
	.run = run_check,
};

static const struct command schema = {
	.name = "schema",
	.summary = "Print the JSON Schema of locald.toml",
	.run = run_schema,
};

static const struct command show = {
	.name = "show",
	.summary = "Show the values that are in force",
	.options = show_options,
	.options_size = sizeof(struct config_options),
	.needs = NEEDS_PROJECT,
	.machine = MACHINE_OBJECT,
	.run = run_show,
};

static const struct command *const subcommands[] = {&check, &schema, &show, NULL};

static const char *const examples[] = {
	"locald config check",
	"is locald.toml right?",
	"locald config show -p",
	"every value and where it comes from",
	NULL,
};

const struct command cmd_config = {
	.name = "config",
	.summary = "The project's configuration: check, schema, show",
	.examples = examples,
	.commands = subcommands,
};
