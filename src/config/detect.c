#include "config/detect.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "config/detect_language.h"
#include "config/dotenv.h"
#include "config/import.h"
#include "config/procfile.h"
#include "config/project.h"
#include "config/project_read.h"

#include <errno.h>

#define FILE_MAX_BYTES (1u << 20)

void detection_release(struct detection *detection)
{
	array_foreach(source, &detection->sources) {
		free((char *)(*source)->name);
		free((char *)(*source)->text);
		free(*source);
	}
	array_release(&detection->sources);
	strv_release(&detection->found);
}

/* --- files --- */

static const struct diag_source *add_source(struct detecting *d, const char *name,
                                            struct strbuf *text)
{
	struct diag_source *source = xcalloc(1, sizeof(*source));

	source->name = xstrdup(name);
	source->len = text ? text->len : 0;
	source->text = text ? strbuf_detach(text) : NULL;
	*array_add(&d->detection->sources) = source;
	return source;
}

const struct diag_source *detect_open(struct detecting *d, const char *name)
{
	cleanup_free char *path = path_absolute(d->root, name);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!fs_exists(path) || fs_is_dir(path))
		return NULL;
	if (fs_read_file(path, FILE_MAX_BYTES, &text, &err) < 0) {
		const struct diag_source *source = add_source(d, name, NULL);

		diag_at(diag_add(d->refused, "C001", "%s", err.text), source, (struct toml_pos){0},
		        NULL);
		return NULL;
	}
	return add_source(d, name, &text);
}

bool detect_has(const struct detecting *d, const char *name)
{
	cleanup_free char *path = path_join(d->root, name);

	return fs_exists(path);
}

/* "Procfile (web, worker)": the services that came since `first`. */
static void found_services(struct detecting *d, const char *name, size_t first)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = first; i < d->draft->services.len; i++) {
		const struct draft_section *section = d->draft->services.items[i];

		strbuf_addf(&text, "%s%s", text.len > 0 ? ", " : "", section->name);
	}
	strv_addf(&d->detection->found, "%s%s%s%s", name, text.len > 0 ? " (" : "", text.buf,
	          text.len > 0 ? ")" : "");
	d->detection->used += d->draft->services.len > first;
}

/* --- Procfile --- */

static int take_procfile(struct detecting *d, const struct diag_source *source, struct error *err)
{
	cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
	cleanup(error_release) struct error wrong = ERROR_INIT;
	size_t first = d->draft->services.len;
	struct toml_pos pos = {0};

	if (procfile_parse(source->text, source->len, &procfile, &pos, &wrong) < 0) {
		diag_at(diag_add(d->refused, "C042", "%s", wrong.text), source, pos, NULL);
		return diag_to_error(d->refused, err);
	}
	array_foreach(entry, &procfile.entries) {
		const struct draft_origin from = {source, entry->name_pos};
		struct draft_section *section = draft_add_service(d->draft, entry->name, from);

		if (!project_process_is_server(entry->name, entry->command))
			draft_put_str(section, (struct draft_origin){0}, NULL, "type", "worker");
		draft_put_str(section, (struct draft_origin){0}, NULL, "command", entry->command);
		if (!str_eq(entry->name, "release"))
			continue;
		draft_put_bool(section, (struct draft_origin){0}, "oneshot", true);
		draft_put_bool(section, (struct draft_origin){0}, "autostart", false);
	}
	found_services(d, source->name, first);
	return 0;
}

/* --- YAML --- */

static int take_yaml(struct detecting *d, const struct diag_source *source, bool only_images,
                     struct error *err)
{
	size_t first = d->draft->services.len;
	enum import_kind kind;

	if (import_services(d->draft, source, d->env, only_images, &kind, d->refused, err) < 0)
		return -1;
	found_services(d, source->name, first);
	return 0;
}

static const struct diag_source *open_first(struct detecting *d, const char *const *names)
{
	const struct diag_source *source = NULL;

	for (; *names && !source; names++)
		source = detect_open(d, *names);
	return source;
}

/* --- all --- */

int detect_project(const char *root, const struct strv *env, struct draft *draft,
                   struct detection *ret, struct diagnostics *refused, struct error *err)
{
	static const char *const process_compose[] = {"process-compose.yaml", "process-compose.yml",
	                                              NULL};
	static const char *const compose[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
	                                      "docker-compose.yaml", NULL};
	struct detecting d = {root, env, draft, ret, refused};
	const struct diag_source *processes = open_first(&d, process_compose);
	const struct diag_source *procfile = processes ? NULL : detect_open(&d, PROJECT_PROCFILE);
	const struct diag_source *images;

	if (processes && take_yaml(&d, processes, false, err) < 0)
		return -1;
	if (procfile && take_procfile(&d, procfile, err) < 0)
		return -1;
	detect_package(&d);
	if (!processes && !procfile)
		detect_languages(&d);
	images = open_first(&d, compose);
	if (images && take_yaml(&d, images, true, err) < 0)
		return -1;
	return diag_error_count(refused) > 0 ? diag_to_error(refused, err) : 0;
}

static const char *shown_name(const char *root, const char *path)
{
	size_t len = strlen(root);

	return strncmp(path, root, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

int detect_from(const char *root, const char *path, const struct strv *env, struct draft *draft,
                struct detection *ret, struct diagnostics *refused, struct error *err)
{
	struct detecting d = {root, env, draft, ret, refused};
	cleanup_free char *absolute = path_absolute(root, path);
	const char *name = shown_name(root, absolute);
	const struct diag_source *source;

	if (!fs_exists(absolute)) {
		error_set(err, ERR_NOT_FOUND, "no file %s", name);
		return error_hint(err, "a process-compose.yaml, a compose.yaml or a Procfile can "
		                       "be imported");
	}
	source = detect_open(&d, absolute);
	if (!source)
		return diag_error_count(refused) > 0
		               ? diag_to_error(refused, err)
		               : error_set(err, ERR_USAGE, "%s is a folder", name);
	free((char *)source->name);
	((struct diag_source *)source)->name = xstrdup(name);
	draft->title = xasprintf("`locald init --from %s`", name);
	if (str_starts(path_base(name), PROJECT_PROCFILE))
		return take_procfile(&d, source, err);
	return take_yaml(&d, source, false, err);
}

static const char *of_shell(const char *name, void *data)
{
	return strv_env_get(data, name);
}

int detect_environment(const char *root, struct strv *out, struct diagnostics *refused,
                       struct error *err)
{
	cleanup_free char *path = path_join(root, PROJECT_ENV_FILE);
	cleanup(strv_release) struct strv shell = STRV_INIT;

	for (char **entry = environ; *entry; entry++)
		strv_add(&shell, *entry);
	if (fs_exists(path) &&
	    dotenv_read(path, PROJECT_ENV_FILE, of_shell, &shell, out, refused, err) < 0)
		return -1;
	/* As compose has it: the shell's value goes before that of the file. */
	for (size_t i = 0; i < shell.len; i++) {
		const char *equals = strchr(shell.items[i], '=');
		cleanup_free char *name =
			equals ? xstrndup(shell.items[i], (size_t)(equals - shell.items[i])) : NULL;

		if (name)
			strv_env_set(out, name, equals + 1);
	}
	return 0;
}
