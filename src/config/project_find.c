#include "config/project_read.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#include <sys/stat.h>

#define PACKAGE_MAX_BYTES (1u << 20)

bool project_is_trusted(const char *path, const char *start)
{
	struct stat file, dir;

	if (stat(path, &file) < 0 || stat(start, &dir) < 0)
		return false;
	return file.st_uid == geteuid() || file.st_uid == 0 || file.st_uid == dir.st_uid;
}

const char *project_package_script(const char *text, size_t len, struct error *err)
{
	cleanup_json json_t *package = json_parse(text, len, err);
	const json_t *scripts = json_object_get(package, "scripts");

	if (!package)
		return NULL;
	if (json_is_string(json_object_get(scripts, "dev")))
		return "dev";
	if (json_is_string(json_object_get(scripts, "start")))
		return "start";
	error_set(err, ERR_NOT_FOUND, "package.json has neither a dev nor a start script");
	return NULL;
}

/* Broken counts as runnable, so that what is broken is told and not passed over. */
static bool is_runnable_package(const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, PACKAGE_MAX_BYTES, &text, &err) < 0)
		return fs_exists(path);
	return project_package_script(text.buf, text.len, &err) || err.code != ERR_NOT_FOUND;
}

static bool holds(const char *dir, const char *name, const char *start, bool is_start)
{
	cleanup_free char *path = path_join(dir, name);

	if (!fs_exists(path) || (!is_start && !project_is_trusted(path, start)))
		return false;
	return !str_eq(name, PROJECT_PACKAGE) || is_runnable_package(path);
}

/* The nearest folder at or above start that holds one of the names. */
static char *find_up(const char *start, const char *const *names, size_t count)
{
	cleanup_free char *dir = xstrdup(start);

	for (;;) {
		char *parent;

		for (size_t i = 0; i < count; i++)
			if (holds(dir, names[i], start, str_eq(dir, start)))
				return take_ptr(dir);
		if (str_eq(dir, "/"))
			return NULL;
		parent = path_dir(dir);
		free(dir);
		dir = parent;
	}
}

char *project_find_root(const char *start, struct error *err)
{
	static const char *const own[] = {PROJECT_FILE};
	static const char *const others[] = {PROJECT_PROCFILE, PROJECT_PACKAGE};
	cleanup_free char *from = path_real(start, err);
	char *root;

	if (!from)
		return NULL;
	/* A locald.toml further up speaks for the folders below it, and their package.json. */
	root = find_up(from, own, ARRAY_LEN(own));
	if (!root)
		root = find_up(from, others, ARRAY_LEN(others));
	if (!root) {
		error_set(err, ERR_NOT_FOUND, "no project in %s or above it", from);
		error_hint(err, "a project is a folder with a locald.toml, a Procfile, or a "
		                "package.json with a dev or start script; `locald init` makes one");
	}
	return root;
}
