#include "config/project_read.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"
#include "config/inputs.h"
#include "config/procfile.h"
#include "config/schema.h"
#include "config/schema_field.h"

#include <errno.h>

/* What a load carries from step to step. */
struct reader {
	struct project_config *project;
	struct diagnostics *diags;
	struct config_inputs *inputs; /* or NULL */
	const char *text;             /* instead of what is in locald.toml; NULL: read it */
	size_t text_len;
};

static void note(struct reader *reader, const char *path, const struct config_file *file)
{
	if (reader->inputs)
		config_inputs_note(reader->inputs, path, file ? file->text : NULL,
		                   file ? file->len : 0);
}

static struct diag_source source_of(const struct config_file *file)
{
	return (struct diag_source){file->name, file->text, file->len};
}

/* Inside of the root a path is shown from there. */
static char *shown_name(const struct project_config *project, const char *path)
{
	size_t len = strlen(project->root);

	if (strncmp(path, project->root, len) == 0 && path[len] == '/')
		return xstrdup(path + len + 1);
	return xstrdup(path);
}

static struct config_file *add_file(struct reader *reader, const char *path, struct strbuf *text)
{
	struct config_file *file = xcalloc(1, sizeof(*file));

	file->path = xstrdup(path);
	file->name = shown_name(reader->project, path);
	file->len = text->len;
	file->text = strbuf_detach(text);
	*array_add(&reader->project->files) = file;
	return file;
}

/* NULL when there is no such file, or when it cannot be read (reported). */
static struct config_file *read_file(struct reader *reader, const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct config_file *file;

	if (!fs_exists(path)) {
		note(reader, path, NULL);
		return NULL;
	}
	if (fs_read_file(path, TOML_MAX_BYTES, &text, &err) < 0) {
		cleanup_free char *name = shown_name(reader->project, path);
		const struct diag_source source = {.name = name};

		diag_at(diag_add(reader->diags, "C001", "%s", err.text), &source,
		        (struct toml_pos){0}, NULL);
		note(reader, path, NULL);
		return NULL;
	}
	file = add_file(reader, path, &text);
	note(reader, path, file);
	return file;
}

static void parse_toml(struct reader *reader, const struct config_file *file, bool is_outer)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_toml struct toml_table *root = NULL;
	struct diag_source source;
	struct toml_pos pos = {0};

	source = source_of(file);
	root = toml_parse(file->text, file->len, &pos, &err);
	if (root)
		schema_load(reader->project, file, root, is_outer, reader->diags);
	else
		diag_at(diag_add(reader->diags, "C002", "%s", err.text), &source, pos, NULL);
}

static void read_toml(struct reader *reader, const char *path, bool is_outer)
{
	const struct config_file *file = read_file(reader, path);

	if (file)
		parse_toml(reader, file, is_outer);
}

/* What is to be in locald.toml, instead of what is. */
static void read_text(struct reader *reader, const char *path)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_add(&text, reader->text, reader->text_len);
	parse_toml(reader, add_file(reader, path, &text), false);
}

static void read_outer(struct reader *reader, const char *dir, const char *name)
{
	cleanup_free char *path = path_join(dir, name);
	const struct diag_source source = {.name = path};

	if (!fs_exists(path) || project_is_trusted(path, reader->project->root)) {
		read_toml(reader, path, true);
		return;
	}
	if (reader->inputs)
		config_inputs_note_file(reader->inputs, path);
	diag_at(diag_add(reader->diags, "W001", "ignored, since it belongs to another user"),
	        &source, (struct toml_pos){0}, NULL);
}

/* The files in the parents, the outermost first. */
static void read_parents(struct reader *reader, const char *dir)
{
	cleanup_free char *parent = path_dir(dir);

	if (str_eq(parent, dir))
		return;
	read_parents(reader, parent);
	read_outer(reader, parent, PROJECT_OUTER);
	read_outer(reader, parent, PROJECT_WORKSPACE);
}

/* --- Procfile and package.json --- */

static bool parse_procfile(struct reader *reader, struct config_file *file, struct procfile *out)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct diag_source source = source_of(file);
	struct toml_pos pos = {0};

	if (procfile_parse(file->text, file->len, out, &pos, &err) == 0)
		return true;
	diag_at(diag_add(reader->diags, "C042", "%s", err.text), &source, pos, NULL);
	return false;
}

static void set_command(struct service_config *service, const char *command,
                        enum command_origin origin, const struct config_file *file,
                        struct toml_pos pos)
{
	service->command.shell = xstrdup(command);
	service->command_origin = origin;
	*array_add(&service->places.list) = (struct config_place){"command", file, pos};
}

bool project_process_is_server(const char *name, const char *command)
{
	return str_eq(name, "web") || strstr(command, "$PORT") || strstr(command, "${PORT");
}

static void add_process(struct reader *reader, struct config_file *file,
                        const struct procfile_entry *entry)
{
	const struct diag_source source = source_of(file);
	struct service_config *service;

	if (!config_is_name(entry->name)) {
		cleanup_free char *better = config_make_label(entry->name);
		struct diagnostic *diag = diag_add(reader->diags, "C020",
		                                   "`%s` is not a name for a service", entry->name);

		diag_at(diag, &source, entry->name_pos, NULL);
		if (better)
			diag_help(diag, "did you mean `%s`?", better);
		return;
	}
	service = schema_add_service(reader->project, entry->name, file, entry->name_pos);
	service->type = project_process_is_server(entry->name, entry->command) ? SERVICE_EXEC
	                                                                       : SERVICE_WORKER;
	if (str_eq(entry->name, "release")) {
		/* On platforms that read Procfiles it runs before a deployment, and ends. */
		service->oneshot = true;
		service->autostart = false;
	}
	set_command(service, entry->command, COMMAND_PROCFILE, file, entry->command_pos);
}

static void read_procfile(struct reader *reader, const char *path)
{
	cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
	struct config_file *file = read_file(reader, path);

	if (!file || !parse_procfile(reader, file, &procfile))
		return;
	array_foreach(entry, &procfile.entries)
		add_process(reader, file, entry);
}

static void read_package(struct reader *reader, const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *command = NULL;
	struct config_file *file = read_file(reader, path);
	const struct toml_pos whole = {0};
	struct service_config *service;
	struct diag_source source;
	const char *script;

	if (!file)
		return;
	source = source_of(file);
	script = project_package_script(file->text, file->len, &err);
	if (!script) {
		diag_at(diag_add(reader->diags, err.code == ERR_NOT_FOUND ? "C023" : "C043", "%s",
		                 err.text),
		        &source, whole, NULL);
		return;
	}
	command = xasprintf("npm run %s", script);
	service = schema_add_service(reader->project, "web", file, whole);
	set_command(service, command, COMMAND_PACKAGE_JSON, file, whole);
}

/* Services of locald.toml without a command take the Procfile's. */
static void lend_commands(struct reader *reader, const char *path)
{
	cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
	struct config_file *file = NULL;

	array_foreach(item, &reader->project->services) {
		struct service_config *service = *item;
		const struct procfile_entry *entry;

		if (config_command_is_set(&service->command) || service->is_unsupported ||
		    service_type_is_managed(service->type))
			continue;
		if (!file) {
			file = read_file(reader, path);
			if (!file || !parse_procfile(reader, file, &procfile))
				return;
		}
		entry = procfile_find(&procfile, service->name);
		if (entry)
			set_command(service, entry->command, COMMAND_PROCFILE, file,
			            entry->command_pos);
	}
}

static void read_project(struct reader *reader)
{
	cleanup_free char *toml = path_join(reader->project->root, PROJECT_FILE);
	cleanup_free char *local = path_join(reader->project->root, PROJECT_LOCAL);
	cleanup_free char *procfile = path_join(reader->project->root, PROJECT_PROCFILE);
	cleanup_free char *package = path_join(reader->project->root, PROJECT_PACKAGE);
	bool has_toml = reader->text || fs_exists(toml);

	if (reader->text)
		read_text(reader, toml);
	else if (has_toml)
		read_toml(reader, toml, false);
	else
		note(reader, toml, NULL);
	/* A locald.toml may speak of the project and leave its services to the other files. */
	if (reader->project->services.len == 0 && diag_error_count(reader->diags) == 0) {
		bool has_procfile = fs_exists(procfile);

		if (has_procfile)
			read_procfile(reader, procfile);
		else
			note(reader, procfile, NULL);
		if (!has_procfile && (!has_toml || fs_exists(package)))
			read_package(reader, package);
		else if (!has_procfile)
			note(reader, package, NULL);
	}
	read_toml(reader, local, false);
	if (has_toml)
		lend_commands(reader, procfile);
}

/* --- what follows from what was read --- */

/* The build of a site is a service that runs once before it. */
static void add_site_build(struct project_config *project, struct service_config *site)
{
	cleanup_free char *name = xasprintf("%s-build", site->name);
	const struct config_place *place = service_place_of(site, "build");
	struct dependency *dep;
	struct service_config *build;

	if (project_service(project, name))
		return; /* the project says itself what builds it */
	build = schema_add_service(project, name, place->file, place->pos);
	build->type = SERVICE_WORKER;
	build->oneshot = true;
	build->autostart = site->autostart;
	strv_copy(&build->profiles, &site->profiles);
	build->restart = RESTART_NO;
	build->workdir = xstrdup_null(site->workdir);
	set_command(build, site->build_command, COMMAND_CONFIG, place->file, place->pos);
	array_foreach(entry, &site->env.list)
		env_list_set(&build->env, entry->name, entry->value, entry->file, entry->pos);
	strv_copy(&build->env_files, &site->env_files);
	build->has_env_files = site->has_env_files;
	array_foreach(from, &site->depends_on.list) {
		dep = array_add(&build->depends_on.list);
		*dep = *from;
		dep->service = xstrdup(from->service);
	}
	dep = array_add(&site->depends_on.list);
	*dep = (struct dependency){xstrdup(name), DEPENDENCY_COMPLETED, place->file, place->pos};
}

static void finish_service(const struct project_config *project, struct service_config *service)
{
	char *workdir = path_absolute(project->root, service->workdir ? service->workdir : ".");
	struct health_config *health = &service->health;

	service->is_workdir_relative = service->workdir && *service->workdir != '/';
	if (service->path) {
		char *path = path_absolute(project->root, service->path);

		free(service->path);
		service->path = path;
	}
	free(service->workdir);
	service->workdir = workdir;
	if (config_command_is_set(&service->command) && !service->command_origin)
		service->command_origin = COMMAND_CONFIG;
	if (!service_place_of(service, "mode") &&
	    (service->build.is_set || service->image || service->type == SERVICE_CONTAINER))
		service->mode = MODE_CONTAINER;
	/* On the host's network the port inside is the port outside. */
	if (!service->port && service->network == NETWORK_HOST)
		service->port = service->container_port;
	if (health->type == HEALTH_DEFAULT && health->path)
		health->type = HEALTH_HTTP;
	else if (health->type == HEALTH_DEFAULT && config_command_is_set(&health->command))
		health->type = HEALTH_COMMAND;
	else if (health->type == HEALTH_DEFAULT && health->pattern)
		health->type = HEALTH_LOG;
	if (health->type == HEALTH_HTTP && !health->path)
		health->path = xstrdup("/");
}

static void finish(struct project_config *project)
{
	if (!project->name)
		project->name = config_make_label(path_base(project->root));
	if (!project->name)
		project->name = xstrdup("project");
	if (!project->domain) {
		cleanup_free char *label = config_make_label(project->name);

		project->domain = xasprintf("%s.localhost", label);
	}
	for (size_t i = 0, count = project->services.len; i < count; i++)
		if (project->services.items[i]->type == SERVICE_SITE &&
		    project->services.items[i]->build_command)
			add_site_build(project, project->services.items[i]);
	array_foreach(service, &project->services)
		finish_service(project, *service);
}

static void note_env_files(struct reader *reader)
{
	const struct project_config *project = reader->project;

	array_foreach(item, &project->services) {
		const struct service_config *service = *item;
		cleanup(strv_release) struct strv names = STRV_INIT;

		strv_copy(&names, &service->env_files);
		if (!service->has_env_files)
			strv_add(&names, PROJECT_ENV_FILE);
		for (size_t i = 0; i < names.len; i++) {
			cleanup_free char *path = path_absolute(project->root, names.items[i]);

			config_inputs_note_file(reader->inputs, path);
		}
	}
}

static struct project_config *load(const char *root, const char *user_config,
                                   const struct reader *how, struct diagnostics *diags,
                                   struct error *err)
{
	cleanup_project struct project_config *project = xcalloc(1, sizeof(*project));
	struct reader reader = *how;

	reader.project = project;
	reader.diags = diags;
	project->root = path_real(root, err);
	if (!project->root)
		return NULL;
	if (user_config)
		read_toml(&reader, user_config, true);
	read_parents(&reader, project->root);
	read_outer(&reader, project->root, PROJECT_WORKSPACE);
	read_project(&reader);
	finish(project);
	if (reader.inputs)
		note_env_files(&reader);
	project_check(project, diags);
	if (diag_error_count(diags) > 0) {
		diag_to_error(diags, err);
		return NULL;
	}
	return take_ptr(project);
}

struct project_config *project_load(const char *root, const char *user_config,
                                    struct diagnostics *diags, struct error *err)
{
	return load(root, user_config, &(struct reader){0}, diags, err);
}

struct project_config *project_load_noting(const char *root, const char *user_config,
                                           struct config_inputs *inputs, struct diagnostics *diags,
                                           struct error *err)
{
	return load(root, user_config, &(struct reader){.inputs = inputs}, diags, err);
}

struct project_config *project_load_text(const char *root, const char *user_config,
                                         const char *text, size_t len, struct diagnostics *diags,
                                         struct error *err)
{
	return load(root, user_config, &(struct reader){.text = text, .text_len = len}, diags, err);
}
