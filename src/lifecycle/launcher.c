#include "lifecycle/launcher.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/api_version.h"
#include "lifecycle/dirs.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/launch_command.h"
#include "lifecycle/launch_env.h"
#include "lifecycle/toml_file.h"

#include <errno.h>
#include <stdio.h>

static const char *env_or(const char *name, const char *def)
{
	const char *value = getenv(name);

	return str_empty(value) ? def : value;
}

static int check_apis(const json_t *metadata, struct error *err)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach(json_object_get(metadata, "buildpacks"), i, buildpack) {
		if (buildpack_api_minor(json_get_str(buildpack, "api", ""),
		                        json_get_str(buildpack, "id", "?"), err) < 0)
			return -1;
	}
	return 0;
}

/* The file of a program, looked up in the PATH it will have. */
static char *find_program(const struct strv *env, const char *program)
{
	cleanup_free char *path = xstrdup_null(strv_env_get(env, "PATH"));
	char *rest = path;
	char *dir;

	if (strchr(program, '/'))
		return xstrdup(program);
	while ((dir = strsep(&rest, ":"))) {
		char *file = path_join(*dir ? dir : ".", program);

		if (path_is_executable(file))
			return file;
		free(file);
	}
	return NULL;
}

static int execute(const struct strv *words, const struct strv *env, struct error *err)
{
	cleanup_free char *file = find_program(env, words->items[0]);

	if (!file)
		return exit_error(err, EXIT_LAUNCH, "no program \"%s\" in PATH (%s)",
		                  words->items[0], strv_env_get(env, "PATH"));
	execve(file, words->items, env->items);
	return exit_error(err, EXIT_LAUNCH, "execute %s: %s", file, strerror(errno));
}

static int run_command(const struct launch_command *command, const struct launch_place *place,
                       const char *argv0, const struct strv *env, struct error *err)
{
	cleanup(strv_release) struct strv profiles = STRV_INIT;
	cleanup(strv_release) struct strv shell = STRV_INIT;

	if (command->is_direct) {
		if (command->workdir && chdir(command->workdir) < 0)
			return error_errno(err, errno, "change to working directory %s",
			                   command->workdir);
		return execute(&command->words, env, err);
	}
	if (launch_profiles(place, &profiles, err) < 0)
		return -1;
	launch_shell_args(command, argv0, &profiles, &shell);
	return execute(&shell, env, err);
}

int launcher_run(const char *const *argv, struct error *err)
{
	struct launch_place place = {
		.layers = env_or("CNB_LAYERS_DIR", "/layers"),
		.app = env_or("CNB_APP_DIR", "/workspace"),
	};
	cleanup_free char *layers = xstrdup(place.layers);
	cleanup_free char *app = xstrdup(place.app);
	cleanup_free char *file = path_join(layers, "config/metadata.toml");
	cleanup(launch_command_release) struct launch_command command = {0};
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup_json json_t *metadata = NULL;

	if (platform_api_minor(err) < 0 || toml_file_read(file, &metadata, err) < 0 ||
	    check_apis(metadata, err) < 0 ||
	    launch_command_choose(metadata, argv[0], argv + 1, &command, err) < 0)
		return -1;
	if (getenv("CNB_PROCESS_TYPE"))
		fputs("Warning: CNB_PROCESS_TYPE is not used any more; start /cnb/process/TYPE\n",
		      stderr);
	if (chdir(app) < 0)
		return error_errno(err, errno, "change to the application's directory %s", app);
	for (char **entry = environ; *entry; entry++)
		strv_add(&env, *entry);
	launch_env_clean(&env);
	place = (struct launch_place){layers, app, command.type,
	                              json_object_get(metadata, "buildpacks")};
	if (launch_env_apply(&place, &env, err) < 0)
		return -1;
	return run_command(&command, &place, argv[0], &env, err);
}

int launcher_main(const char *const *argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!argv[0])
		return EXIT_LAUNCH;
	launcher_run(argv, &err);
	fprintf(stderr, "launcher: error: %s\n", err.text);
	if (err.hint)
		fprintf(stderr, "launcher: hint: %s\n", err.hint);
	return exit_code_of(&err, EXIT_LAUNCH);
}
