#include "lifecycle/launch_env.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "lifecycle/dirs.h"
#include "lifecycle/env.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/spawn.h"
#include "lifecycle/toml_file.h"

#define EXECD_OUTPUT_MAX (1024 * 1024)

typedef int layer_fn(const struct launch_place *place, const char *layer, void *data,
                     struct error *err);

void launch_env_clean(struct strv *env)
{
	static const char *const ours[] = {"CNB_APP_DIR", "CNB_DEPRECATION_MODE", "CNB_LAYERS_DIR",
	                                   "CNB_PLATFORM_API", "CNB_PROCESS_TYPE"};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		strv_env_unset(env, ours[i]);
	env_path_remove(env, "/cnb/process");
	env_path_remove(env, "/cnb/lifecycle");
}

static int each_layer(const struct launch_place *place, const char *buildpack, layer_fn *fn,
                      void *data, struct error *err)
{
	cleanup_free char *escaped = escaped_id(buildpack);
	cleanup_free char *dir = path_join(place->layers, escaped);
	cleanup(strv_release) struct strv names = STRV_INIT;

	if (dir_names(dir, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		cleanup_free char *layer = path_join(dir, names.items[i]);

		if (fs_is_dir(layer) && fn(place, layer, data, err) < 0)
			return -1;
	}
	return 0;
}

static int each_buildpack(const struct launch_place *place, layer_fn *fn, void *data,
                          struct error *err)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach((json_t *)place->buildpacks, i, buildpack) {
		if (each_layer(place, json_get_str(buildpack, "id", ""), fn, data, err) < 0)
			return -1;
	}
	return 0;
}

static int add_root_dirs(unused_arg const struct launch_place *place, const char *layer, void *data,
                         unused_arg struct error *err)
{
	env_add_layer_launch(data, layer);
	return 0;
}

static int apply_env_dirs(const struct launch_place *place, const char *layer, void *data,
                          struct error *err)
{
	cleanup_free char *env = path_join(layer, "env");
	cleanup_free char *env_launch = path_join(layer, "env.launch");

	if (env_apply_dir(data, env, ENV_OVERRIDE, err) < 0 ||
	    env_apply_dir(data, env_launch, ENV_OVERRIDE, err) < 0)
		return -1;
	if (place->type) {
		cleanup_free char *typed = path_join(env_launch, place->type);

		return env_apply_dir(data, typed, ENV_OVERRIDE, err);
	}
	return 0;
}

static int take_answer(struct strv *env, const char *program, const char *text, size_t len,
                       struct error *err)
{
	cleanup_json json_t *answer = NULL;
	const char *name;
	json_t *value;

	if (toml_text_read(text, len, "its answer", &answer, err) < 0)
		return -1;
	json_object_foreach(answer, name, value) {
		if (!json_is_string(value))
			return error_set(err, ERR_CONFIG, "its answer: %s is not a string", name);
		strv_env_set(env, name, json_string_value(value));
	}
	return 0;
}

static int run_execd(const struct launch_place *place, const char *program, struct strv *env,
                     struct error *err)
{
	const char *argv[] = {program, NULL};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_close int in = -1;
	cleanup_close int out = -1;
	int pipe_fds[2], code, read_result;
	pid_t pid;

	if (fd_pipe(pipe_fds, err) < 0)
		return -1;
	in = pipe_fds[0];
	out = pipe_fds[1];
	pid = spawn_start(&(struct spawn){argv, env, place->app, -1, out}, err);
	if (pid < 0)
		return -1;
	close_fd(&out);
	out = -1;
	read_result = fd_read_to_end(in, &text, EXECD_OUTPUT_MAX, err);
	close_fd(&in);
	in = -1;
	if (read_result < 0) {
		cleanup(error_release) struct error ignored = ERROR_INIT;

		spawn_wait(pid, &ignored);
		return error_wrap(err, "%s", program);
	}
	code = spawn_wait(pid, err);
	if (code < 0)
		return -1;
	if (code > 0)
		return exit_error(err, EXIT_LAUNCH, "%s failed with exit code %d", program, code);
	return take_answer(env, program, text.buf, text.len, err) < 0
	               ? error_wrap(err, "%s", program)
	               : 0;
}

static int run_execd_dir(const struct launch_place *place, const char *dir, struct strv *env,
                         struct error *err)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_files(dir, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++) {
		cleanup_free char *program = path_join(dir, files.items[i]);

		if (run_execd(place, program, env, err) < 0)
			return -1;
	}
	return 0;
}

static int run_layer_execd(const struct launch_place *place, const char *layer, void *data,
                           struct error *err)
{
	cleanup_free char *dir = path_join(layer, "exec.d");
	cleanup_free char *typed = place->type ? path_join(dir, place->type) : NULL;

	if (run_execd_dir(place, dir, data, err) < 0)
		return -1;
	return typed ? run_execd_dir(place, typed, data, err) : 0;
}

int launch_env_apply(const struct launch_place *place, struct strv *env, struct error *err)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach((json_t *)place->buildpacks, i, buildpack) {
		const char *id = json_get_str(buildpack, "id", "");

		if (each_layer(place, id, add_root_dirs, env, err) < 0 ||
		    each_layer(place, id, apply_env_dirs, env, err) < 0)
			return error_wrap(err, "buildpack %s", id);
	}
	return each_buildpack(place, run_layer_execd, env, err);
}

static int add_profiles(const char *dir, struct strv *profiles, struct error *err)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_files(dir, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++)
		strv_add_take(profiles, path_join(dir, files.items[i]));
	return 0;
}

static int add_layer_profiles(const struct launch_place *place, const char *layer, void *data,
                              struct error *err)
{
	cleanup_free char *dir = path_join(layer, "profile.d");
	cleanup_free char *typed = place->type ? path_join(dir, place->type) : NULL;

	if (add_profiles(dir, data, err) < 0)
		return -1;
	return typed ? add_profiles(typed, data, err) : 0;
}

int launch_profiles(const struct launch_place *place, struct strv *ret, struct error *err)
{
	cleanup_free char *own = path_join(place->app, ".profile");

	if (each_buildpack(place, add_layer_profiles, ret, err) < 0)
		return -1;
	if (path_is_file(own))
		strv_add(ret, own);
	return 0;
}
