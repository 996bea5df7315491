#include "config/detect_language.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/project_read.h"

#include <dirent.h>

static void found(struct detecting *d, const struct diag_source *source, const char *what,
                  const char *name, const char *command, bool is_server)
{
	const struct draft_origin from = {source, {0}};
	struct draft_section *section = draft_add_service(d->draft, name, from);

	if (!is_server)
		draft_put_str(section, (struct draft_origin){0}, NULL, "type", "worker");
	draft_put_str(section, (struct draft_origin){0}, NULL, "command", command);
	strv_addf(&d->detection->found, "%s%s%s%s", source->name, what ? " (" : "",
	          what ? what : "", what ? ")" : "");
	d->detection->used++;
}

/* --- package.json --- */

/* The more special ones first: many are made with vite, too. */
static const struct framework {
	const char *package, *name;
	const char *program; /* that takes --port, where PORT means nothing to it; or NULL */
} frameworks[] = {
	{"next", "next", NULL},
	{"nuxt", "nuxt", NULL},
	{"astro", "astro", "astro dev"},
	{"@react-router/dev", "react-router", "react-router dev"},
	{"@remix-run/dev", "remix", NULL},
	{"@sveltejs/kit", "sveltekit", "vite"},
	{"@angular/cli", "angular", "ng serve"},
	{"@docusaurus/core", "docusaurus", "docusaurus start"},
	{"gatsby", "gatsby", "gatsby develop"},
	{"react-scripts", "create-react-app", NULL},
	{"@vue/cli-service", "vue-cli", "vue-cli-service serve"},
	{"vite", "vite", "vite"},
	{"parcel", "parcel", "parcel"},
	{"webpack-dev-server", "webpack", "webpack serve"},
	{"@nestjs/core", "nest", NULL},
	{"fastify", "fastify", NULL},
	{"express", "express", NULL},
	{"koa", "koa", NULL},
	{"hono", "hono", NULL},
};

static const struct framework *find_framework(const json_t *package)
{
	static const char *const kinds[] = {"dependencies", "devDependencies"};

	for (size_t i = 0; i < ARRAY_LEN(frameworks); i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			if (json_object_get(json_object_get(package, kinds[k]),
			                    frameworks[i].package))
				return &frameworks[i];
	return NULL;
}

/* "pnpm run dev", and how arguments are passed on. */
static const char *package_manager(const struct detecting *d, const char **ret_pass_on)
{
	static const struct {
		const char *lock, *program, *pass_on;
	} all[] = {
		{"pnpm-lock.yaml", "pnpm", " "},
		{"yarn.lock", "yarn", " "},
		{"bun.lock", "bun", " "},
		{"bun.lockb", "bun", " "},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!detect_has(d, all[i].lock))
			continue;
		*ret_pass_on = all[i].pass_on;
		return all[i].program;
	}
	*ret_pass_on = " -- ";
	return "npm";
}

/* Options that are added at the end reach the program only when it is the last. */
static bool takes_port(const struct framework *framework, const char *script)
{
	return framework && framework->program && strstr(script, framework->program) &&
	       !strpbrk(script, "&;|") && !strstr(script, "--port");
}

void detect_package(struct detecting *d)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const struct diag_source *source = detect_open(d, PROJECT_PACKAGE);
	cleanup_json json_t *package = NULL;
	cleanup_free char *command = NULL;
	const struct framework *framework;
	const char *script, *manager, *pass_on;

	if (!source)
		return;
	script = project_package_script(source->text, source->len, &err);
	if (!script) {
		if (err.code != ERR_NOT_FOUND)
			diag_at(diag_add(d->refused, "C043", "%s", err.text), source,
			        (struct toml_pos){0}, NULL);
		return;
	}
	package = json_parse(source->text, source->len, &err);
	framework = find_framework(package);
	manager = package_manager(d, &pass_on);
	command = xasprintf(
		"%s run %s%s%s", manager, script,
		takes_port(framework, json_get_str(json_object_get(package, "scripts"), script, ""))
			? pass_on
			: "",
		takes_port(framework, json_get_str(json_object_get(package, "scripts"), script, ""))
			? "--port $PORT"
			: "");
	if (draft_find_service(d->draft, "web"))
		strv_addf(&d->detection->found, "%s%s%s%s", source->name, framework ? " (" : "",
		          framework ? framework->name : "", framework ? ")" : "");
	else
		found(d, source, framework ? framework->name : NULL, "web", command, true);
}

/* --- the others --- */

static bool file_says(struct detecting *d, const char *name, const char *what)
{
	cleanup_free char *path = path_join(d->root, name);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	return fs_read_file(path, 1u << 20, &text, &err) == 0 && strcasestr(text.buf, what);
}

/* A program that speaks of a port, or listens, is taken for a server. */
static bool is_server(struct detecting *d, const char *name)
{
	return file_says(d, name, "PORT") || file_says(d, name, "listen");
}

static const char *name_for(const struct detecting *d)
{
	return draft_find_service(d->draft, "web") ? "api" : "web";
}

/* What programs of the project's own environment are run with. */
static const char *python_prefix(const struct detecting *d)
{
	return detect_has(d, "uv.lock")            ? "uv run "
	       : detect_has(d, "poetry.lock")      ? "poetry run "
	       : detect_has(d, "Pipfile")          ? "pipenv run "
	       : detect_has(d, ".venv/bin/python") ? ".venv/bin/"
	       : detect_has(d, "venv/bin/python")  ? "venv/bin/"
	                                           : "";
}

static const char *python_main(const struct detecting *d)
{
	static const char *const names[] = {"main.py", "app.py", "wsgi.py", "server.py"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (detect_has(d, names[i]))
			return names[i];
	return NULL;
}

static bool python_needs(struct detecting *d, const char *package)
{
	return file_says(d, "requirements.txt", package) ||
	       file_says(d, "pyproject.toml", package) || file_says(d, "Pipfile", package);
}

static bool detect_python(struct detecting *d)
{
	static const char *const signs[] = {"manage.py", "pyproject.toml", "requirements.txt",
	                                    "Pipfile"};
	const char *prefix = python_prefix(d), *program = python_main(d);
	const char *python = str_ends(prefix, "/") ? "python" : "python3";
	cleanup_free char *module = program ? xstrndup(program, strlen(program) - 3) : NULL;
	const struct diag_source *source = NULL;
	cleanup_free char *command = NULL;

	for (size_t i = 0; i < ARRAY_LEN(signs) && !source; i++)
		source = detect_open(d, signs[i]);
	if (!source)
		return false;
	if (str_eq(source->name, "manage.py")) {
		command = xasprintf("%s%s manage.py runserver 127.0.0.1:$PORT", prefix, python);
		found(d, source, "django", name_for(d), command, true);
	} else if (program && python_needs(d, "fastapi")) {
		command = xasprintf("%suvicorn %s:app --port $PORT --reload", prefix, module);
		found(d, source, "fastapi", name_for(d), command, true);
	} else if (program && python_needs(d, "flask")) {
		command = xasprintf("%sflask --app %s run --port $PORT", prefix, module);
		found(d, source, "flask", name_for(d), command, true);
	} else if (program) {
		command = xasprintf("%s%s %s", prefix, python, program);
		found(d, source, "python", name_for(d), command, is_server(d, program));
	}
	return program || str_eq(source->name, "manage.py");
}

/* The only folder of cmd/ with a main.go; NULL when there are none, or several. */
static char *go_command(const struct detecting *d)
{
	cleanup_free char *dir = path_join(d->root, "cmd");
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	char *only = NULL;
	size_t count = 0;

	while (stream && (entry = readdir(stream))) {
		cleanup_free char *name = xasprintf("cmd/%s/main.go", entry->d_name);

		if (entry->d_name[0] == '.' || !detect_has(d, name))
			continue;
		count++;
		free(only);
		only = xstrdup(entry->d_name);
	}
	if (stream)
		closedir(stream);
	if (count != 1)
		free(take_ptr(only));
	return only;
}

static bool detect_go(struct detecting *d)
{
	const struct diag_source *source = detect_open(d, "go.mod");
	cleanup_free char *only = source ? go_command(d) : NULL;
	cleanup_free char *command = NULL, *program = NULL;

	if (!source || (!detect_has(d, "main.go") && !only))
		return false;
	if (detect_has(d, "main.go")) {
		found(d, source, "go", name_for(d), "go run .", is_server(d, "main.go"));
		return true;
	}
	command = xasprintf("go run ./cmd/%s", only);
	program = xasprintf("cmd/%s/main.go", only);
	found(d, source, "go", name_for(d), command, is_server(d, program));
	return true;
}

static bool detect_rust(struct detecting *d)
{
	const struct diag_source *source = detect_open(d, "Cargo.toml");

	if (!source || !detect_has(d, "src/main.rs"))
		return false;
	found(d, source, "rust", name_for(d), "cargo run", is_server(d, "src/main.rs"));
	return true;
}

static bool detect_ruby(struct detecting *d)
{
	const struct diag_source *source = detect_open(d, "Gemfile");
	bool is_rails = detect_has(d, "bin/rails");

	if (!source || (!is_rails && !detect_has(d, "config.ru")))
		return false;
	found(d, source, is_rails ? "rails" : "rack", name_for(d),
	      is_rails ? "bin/rails server -b 127.0.0.1 -p $PORT"
	               : "bundle exec rackup -o 127.0.0.1 -p $PORT",
	      true);
	return true;
}

void detect_languages(struct detecting *d)
{
	static bool (*const all[])(struct detecting *) = {detect_python, detect_go, detect_rust,
	                                                  detect_ruby};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i](d))
			return;
}
