#include "cli/commands.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/ask.h"
#include "config/detect.h"

#include <errno.h>

#define FILE_NAME "locald.toml"

struct init_options {
	const char *from;
	bool force, yes, no_input, print, json;
};

static const struct option options[] = {
	OPT_FLAG('f', "force", struct init_options, force, "Replace a locald.toml that is there"),
	OPT_STRING(0, "from", struct init_options, from, "FILE",
                   "Import a process-compose.yaml, compose.yaml or Procfile", COMPLETE_FILES),
	OPT_FLAG(0, "json", struct init_options, json, "Print what was done as JSON"),
	OPT_FLAG(0, "no-input", struct init_options, no_input, "Ask nothing; fail instead"),
	OPT_FLAG(0, "print", struct init_options, print, "Print the file; write nothing"),
	OPT_FLAG('y', "yes", struct init_options, yes, "Ask nothing; take what is found"),
	OPT_END,
};

/* One run of the command. */
struct init {
	struct cli *cli;
	const struct init_options *opts;
	char *dir, *path;
	struct strv env;
	struct draft draft;
	struct detection detection;
	struct strbuf text;
};

static void init_release(struct init *init)
{
	draft_release(&init->draft);
	detection_release(&init->detection);
	strv_release(&init->env);
	strbuf_release(&init->text);
	free(init->dir);
	free(init->path);
}

/* --- what is found --- */

static int nothing_found(struct init *init, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "nothing in %s says how the project is run", init->dir);
	return error_hint(err, "say it: locald add web -- COMMAND");
}

/* The only question: it is asked when no file has the answer. */
static int ask_command(struct init *init, struct error *err)
{
	cleanup(strbuf_release) struct strbuf command = STRBUF_INIT;
	const struct draft_origin nowhere = {0};

	if (init->opts->yes || init->opts->no_input || !ask_is_possible())
		return nothing_found(init, err);
	if (!ask_line(init->cli, "Which command starts the project?", &command) || command.len == 0)
		return error_set(err, ERR_INTERRUPTED, "nothing was written");
	draft_put_str(draft_add_service(&init->draft, "web", nowhere), nowhere, NULL, "command",
	              command.buf);
	return 0;
}

static int read_sources(struct init *init, struct error *err)
{
	struct diagnostics *refused = &init->cli->diagnostics;
	cleanup_free char *path = NULL;

	if (detect_environment(init->dir, &init->env, refused, err) < 0)
		return -1;
	if (!init->opts->from) {
		if (detect_project(init->dir, &init->env, &init->draft, &init->detection, refused,
		                   err) < 0)
			return -1;
		return init->draft.services.len > 0 ? 0 : ask_command(init, err);
	}
	path = cli_path(init->cli, init->opts->from, err);
	return path ? detect_from(init->dir, path, &init->env, &init->draft, &init->detection,
	                          refused, err)
	            : -1;
}

/* --- what is told --- */

static void add_place(struct strbuf *out, const struct diagnostic *diag)
{
	const struct diag_place *place = diag->places.items;

	if (diag->places.len == 0)
		return;
	style_safe(out, place->file, strlen(place->file));
	if (place->pos.line > 0)
		strbuf_addf(out, ":%d:%d", place->pos.line, place->pos.column);
	strbuf_adds(out, ": ");
}

static void tell_left_out(struct init *init)
{
	const struct diagnostics *diags = &init->draft.diags;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	array_foreach(diag, &diags->items) {
		style_glyph(&out, &init->cli->output.err, GLYPH_WARN);
		strbuf_addch(&out, ' ');
		add_place(&out, diag);
		style_safe(&out, diag->text, strlen(diag->text));
		strbuf_addch(&out, '\n');
	}
	if (diags->dropped > 0)
		strbuf_addf(&out, "and %zu more\n", diags->dropped);
	if (diags->items.len > 0)
		strbuf_addf(&out, "%zu left out; each is a comment in " FILE_NAME "\n",
		            diags->items.len + diags->dropped);
	output_note(&init->cli->output, &out);
}

static void add_names(const struct init *init, struct strbuf *out)
{
	const char *comma = "";

	array_foreach(section, &init->draft.services) {
		if ((*section)->why)
			continue;
		strbuf_adds(out, comma);
		style_safe(out, (*section)->name, strlen((*section)->name));
		comma = ", ";
	}
}

static json_t *to_json(const struct init *init)
{
	json_t *object = json_object(), *services = json_array();

	json_set_int(object, "schema", 1);
	json_set_str(object, "path", init->opts->print ? NULL : init->path);
	array_foreach(section, &init->draft.services)
		if (!(*section)->why)
			json_array_append_new(services, json_string((*section)->name));
	json_object_set_new(object, "services", services);
	json_object_set_new(object, "found", json_from_strv(&init->detection.found));
	json_object_set_new(object, "left_out", diag_to_json(&init->draft.diags));
	if (init->opts->print)
		json_set_str(object, "text", init->text.buf);
	return object;
}

static int tell(struct init *init, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct output *output = &init->cli->output;
	size_t used = init->detection.used;

	if (init->cli->machine != MACHINE_OFF) {
		cleanup_json json_t *object = to_json(init);

		return cli_print_json(init->cli, object, err);
	}
	for (size_t i = 0; i < init->detection.found.len; i++) {
		const char *item = init->detection.found.items[i];

		strbuf_adds(&out, i > 0 ? ", " : "found ");
		style_safe(&out, item, strlen(item));
	}
	strbuf_adds(&out, init->detection.found.len > 0 ? "\nwrote " : "wrote ");
	strbuf_adds(&out, FILE_NAME ": ");
	add_names(init, &out);
	if (used > 1)
		strbuf_addf(&out, " (from %zu sources; each line says which)", used);
	strbuf_adds(&out, "\nnext  locald up\n");
	return output_done(output, &out, err);
}

/* --- the file --- */

static int exists_already(struct error *err)
{
	error_set(err, ERR_CONFLICT, "there is a " FILE_NAME " already");
	return error_hint(err, "`locald init --force` replaces it, `--print` only shows what it "
	                       "would be");
}

static int write_file(struct init *init, struct error *err)
{
	const char *text = init->text.buf;
	size_t len = init->text.len;

	if (init->opts->force)
		return fs_write_atomic(init->path, text, len, 0644, err);
	if (fs_write_new(init->path, text, len, 0644, err) == 0)
		return 0;
	return err->code == EEXIST ? exists_already(err) : -1;
}

static int settle(struct init *init, struct error *err)
{
	cleanup_free char *user_config = paths_user_config(&init->cli->paths);
	int r = draft_settle(&init->draft, init->dir, user_config, &init->cli->diagnostics, err);

	if (r == 0) {
		draft_render(&init->draft, &init->text);
		return 0;
	}
	if (draft_count(&init->draft) > 0)
		return -1;
	/* Why nothing is left was told already, line by line. */
	tell_left_out(init);
	diagnostics_release(&init->cli->diagnostics);
	return error_set(err, ERR_CONFIG, "nothing is left that locald could run");
}

static int run_init(struct init *init, struct error *err)
{
	init->dir = cli_path(init->cli, ".", err);
	if (!init->dir)
		return -1;
	init->path = path_join(init->dir, FILE_NAME);
	if (!init->opts->force && !init->opts->print && fs_exists(init->path))
		return exists_already(err);
	if (read_sources(init, err) < 0 || settle(init, err) < 0)
		return -1;
	if (init->opts->print && init->cli->machine == MACHINE_OFF) {
		tell_left_out(init);
		return output_data(&init->cli->output, &init->text, err);
	}
	if (!init->opts->print && write_file(init, err) < 0)
		return -1;
	if (init->cli->machine == MACHINE_OFF)
		tell_left_out(init);
	return tell(init, err);
}

static int run(struct cli *cli, int argc unused_arg, char **argv unused_arg, void *values,
               struct error *err)
{
	struct init init = {.cli = cli, .opts = values, .text = STRBUF_INIT};
	int r;

	cli->unchanged = "nothing was written";
	r = run_init(&init, err);
	init_release(&init);
	return r;
}

static const char *const examples[] = {
	"locald init",
	"write a locald.toml from what the folder has",
	"locald init --from process-compose.yaml",
	"import it; what cannot be is told, and is a comment",
	"locald init --from compose.yaml --print",
	"only look at what would be written",
	NULL,
};

const struct command cmd_init = {
	.name = "init",
	.summary = "Write a locald.toml for the project here",
	.about = "Looks for process-compose.yaml, Procfile, package.json, compose.yaml and the "
		 "usual\n"
		 "files of Python, Go, Rust and Ruby. Asks one question at most, and only when\n"
		 "nothing is found. Never replaces a file without --force.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct init_options),
	.machine = MACHINE_OBJECT,
	.run = run,
};
