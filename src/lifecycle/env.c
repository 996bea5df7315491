#include "lifecycle/env.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "lifecycle/dirs.h"

#include <errno.h>

struct root_dir {
	const char *dir;
	const char *names[2];
};

static const struct root_dir build_dirs[] = {
	{"bin", {"PATH"}},
	{"lib", {"LD_LIBRARY_PATH", "LIBRARY_PATH"}},
	{"include", {"CPATH"}},
	{"pkgconfig", {"PKG_CONFIG_PATH"}},
};

static const struct root_dir launch_dirs[] = {
	{"bin", {"PATH"}},
	{"lib", {"LD_LIBRARY_PATH"}},
};

/* Keep alphabetized. */
static const char *const passed_through[] = {
	"CNB_STACK_ID",    "CPATH",           "HOME",         "HOSTNAME", "HTTPS_PROXY",
	"HTTP_PROXY",      "LD_LIBRARY_PATH", "LIBRARY_PATH", "NO_PROXY", "PATH",
	"PKG_CONFIG_PATH", "http_proxy",      "https_proxy",  "no_proxy",
};

static bool is_path_variable(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(build_dirs); i++)
		for (size_t j = 0; j < ARRAY_LEN(build_dirs[i].names); j++)
			if (str_eq_null(build_dirs[i].names[j], name))
				return true;
	return false;
}

void env_modify(struct strv *env, const char *name, enum env_action action, const char *value,
                const char *delim)
{
	const char *old = strv_env_get(env, name);
	bool is_empty = str_empty(old);
	cleanup_free char *joined = NULL;

	if (!delim)
		delim = "";
	switch (action) {
	case ENV_OVERRIDE:
		break;
	case ENV_DEFAULT:
		if (!is_empty)
			return;
		break;
	case ENV_APPEND:
		if (!is_empty)
			joined = xasprintf("%s%s%s", old, delim, value);
		break;
	case ENV_PREPEND:
		if (!is_empty)
			joined = xasprintf("%s%s%s", value, delim, old);
		break;
	}
	strv_env_set(env, name, joined ? joined : value);
}

void env_pass_through(struct strv *env, const char *const *from)
{
	for (; *from; from++)
		for (size_t i = 0; i < ARRAY_LEN(passed_through); i++) {
			size_t len = strlen(passed_through[i]);

			if (strncmp(*from, passed_through[i], len) == 0 && (*from)[len] == '=')
				strv_env_set(env, passed_through[i], *from + len + 1);
		}
}

/* False when the suffix is not an action: the file is then none of our business. */
static bool action_of(const char *suffix, enum env_action plain, enum env_action *ret)
{
	static const char *const names[] = {
		[ENV_OVERRIDE] = "override",
		[ENV_DEFAULT] = "default",
		[ENV_APPEND] = "append",
		[ENV_PREPEND] = "prepend",
	};

	if (!suffix) {
		*ret = plain;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(suffix, names[i])) {
			*ret = (enum env_action)i;
			return true;
		}
	return false;
}

static int read_delim(const char *dir, const char *name, char **ret, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s.delim", dir, name);

	*ret = NULL;
	if (!path_is_file(path))
		return 0;
	*ret = read_text(path, ENV_VALUE_MAX, err);
	return *ret ? 0 : -1;
}

static int apply_file(struct strv *env, const char *dir, const char *file, enum env_action plain,
                      struct error *err)
{
	const char *dot = strchr(file, '.');
	cleanup_free char *name = dot ? xstrndup(file, (size_t)(dot - file)) : xstrdup(file);
	cleanup_free char *path = path_join(dir, file);
	cleanup_free char *value = NULL;
	cleanup_free char *delim = NULL;
	enum env_action action;

	if (!*name || !action_of(dot ? dot + 1 : NULL, plain, &action))
		return 0;
	value = read_text(path, ENV_VALUE_MAX, err);
	if (!value || read_delim(dir, name, &delim, err) < 0)
		return -1;
	env_modify(env, name, action, value, delim);
	return 0;
}

int env_apply_dir(struct strv *env, const char *dir, enum env_action plain, struct error *err)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_files(dir, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++)
		if (apply_file(env, dir, files.items[i], plain, err) < 0)
			return -1;
	return 0;
}

int env_apply_platform(struct strv *env, const char *dir, struct error *err)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_files(dir, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++) {
		const char *name = files.items[i];
		cleanup_free char *path = path_join(dir, name);
		cleanup_free char *value = read_text(path, ENV_VALUE_MAX, err);

		if (!value)
			return -1;
		env_modify(env, name, is_path_variable(name) ? ENV_PREPEND : ENV_OVERRIDE, value,
		           ":");
	}
	return 0;
}

static void add_layer(struct strv *env, const char *layer, const struct root_dir *dirs,
                      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *path = path_join(layer, dirs[i].dir);

		if (!fs_is_dir(path))
			continue;
		for (size_t j = 0; j < ARRAY_LEN(dirs[i].names) && dirs[i].names[j]; j++)
			env_modify(env, dirs[i].names[j], ENV_PREPEND, path, ":");
	}
}

void env_add_layer_build(struct strv *env, const char *layer)
{
	add_layer(env, layer, build_dirs, ARRAY_LEN(build_dirs));
}

void env_add_layer_launch(struct strv *env, const char *layer)
{
	add_layer(env, layer, launch_dirs, ARRAY_LEN(launch_dirs));
}

void env_path_remove(struct strv *env, const char *dir)
{
	cleanup_free char *path = xstrdup_null(strv_env_get(env, "PATH"));
	cleanup(strbuf_release) struct strbuf kept = STRBUF_INIT;
	char *rest = path;
	bool is_first = true;
	char *part;

	if (!path)
		return;
	while ((part = strsep(&rest, ":"))) {
		if (str_eq(part, dir))
			continue;
		strbuf_addf(&kept, "%s%s", is_first ? "" : ":", part);
		is_first = false;
	}
	strv_env_set(env, "PATH", kept.buf);
}
