#include "lifecycle/exit_code.h"
#include "lifecycle/launch_command.h"
#include "lifecycle/launch_env.h"
#include "lifecycle/toml_file.h"
#include "unit/lifecycle/folder.h"

static const char metadata_toml[] =
	"[[buildpacks]]\nid = \"a/new\"\napi = \"0.10\"\n"
	"[[buildpacks]]\nid = \"a/old\"\napi = \"0.8\"\n"
	"[[processes]]\ntype = \"web\"\ncommand = [\"node\", \"--flag\"]\nargs = [\"server.js\"]\n"
	"direct = true\nbuildpack-id = \"a/new\"\n"
	"[[processes]]\ntype = \"old\"\ncommand = \"echo $X\"\nargs = [\"one\"]\ndirect = false\n"
	"buildpack-id = \"a/old\"\n"
	"[[processes]]\ntype = \"placed\"\ncommand = [\"x\"]\ndirect = true\nbuildpack-id = "
	"\"a/new\"\n"
	"working-dir = \"/there\"\n";

static json_t *metadata(void)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	json_t *root = NULL;

	assert_ok(toml_text_read(metadata_toml, strlen(metadata_toml), "metadata", &root, &err));
	return root;
}

static void commands_are_chosen(void **state)
{
	static const struct {
		const char *argv0, *args[4], *words[6];
		bool is_direct;
	} cases[] = {
		{"/cnb/process/web", {NULL}, {"node", "--flag", "server.js"}, true},
		/* The user's arguments replace the default ones, not the command's own. */
		{"/cnb/process/web", {"a", "b"}, {"node", "--flag", "a", "b"}, true},
		{"web", {"--"}, {"node", "--flag", "--"}, true},
		{"/cnb/process/old", {"two"}, {"echo $X", "one", "two"}, false},
		{"/cnb/lifecycle/launcher", {"--", "ls", "-l"}, {"ls", "-l"}, true},
		{"launcher", {"ls", "-l"}, {"ls", "-l"}, false},
		{"launcher", {"web"}, {"web"}, false},
	};
	cleanup_json json_t *root = metadata();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(launch_command_release) struct launch_command command = {0};
		size_t n = 0;

		assert_ok(
			launch_command_choose(root, cases[i].argv0, cases[i].args, &command, &err));
		for (; n < 6 && cases[i].words[n]; n++)
			assert_string_equal(command.words.items[n], cases[i].words[n]);
		assert_int_equal(command.words.len, n);
		assert_int_equal(command.is_direct, cases[i].is_direct);
	}
}

static void a_process_may_have_a_directory(void **state)
{
	static const char *const none[] = {NULL};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(launch_command_release) struct launch_command command = {0};
	cleanup_json json_t *root = metadata();

	assert_ok(launch_command_choose(root, "placed", none, &command, &err));
	assert_string_equal(command.workdir, "/there");
	assert_string_equal(command.type, "placed");
}

static void no_command_is_an_error(void **state)
{
	static const char *const args[][2] = {{NULL}, {"--"}};
	cleanup_json json_t *root = metadata();

	for (size_t i = 0; i < ARRAY_LEN(args); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(launch_command_release) struct launch_command command = {0};

		assert_int_equal(launch_command_choose(root, "launcher", args[i], &command, &err),
		                 -1);
		assert_int_equal(exit_code_of(&err, 1), EXIT_LAUNCH);
		assert_non_null(err.hint);
	}
}

static void shell_commands_source_profiles(void **state)
{
	cleanup(launch_command_release) struct launch_command command = {.workdir = xstrdup("/w")};
	cleanup(strv_release) struct strv profiles = STRV_INIT;
	cleanup(strv_release) struct strv shell = STRV_INIT;

	strv_add(&profiles, "/p/one.sh");
	strv_add(&command.words, "echo");
	strv_add(&command.words, "$X");
	launch_shell_args(&command, "/cnb/process/x", &profiles, &shell);
	assert_int_equal(shell.len, 6);
	assert_string_equal(shell.items[2], "source \"/p/one.sh\"\ncd \"/w\"\n"
	                                    "exec bash -c '\"$(eval echo \\\"$0\\\")\""
	                                    " \"$(eval echo \\\"${1}\\\")\"' \"${@:1}\"");
	assert_string_equal(shell.items[3], "/cnb/process/x");
	assert_string_equal(shell.items[5], "$X");
}

static void layers_make_the_environment(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup(strv_release) struct strv profiles = STRV_INIT;
	cleanup_json json_t *buildpacks = json_pack("[{s:s},{s:s}]", "id", "a/b", "id", "c");
	cleanup_free char *app = path_join(folder, "app");
	cleanup_free char *path =
		xasprintf("%s/c/l/bin:%s/a_b/l2/bin:%s/a_b/l1/bin:/bin", folder, folder, folder);
	const struct launch_place place = {folder, app, "web", buildpacks};

	folder_write(folder, "a_b/l1/bin/x", "");
	folder_write(folder, "a_b/l2/bin/x", "");
	folder_write(folder, "c/l/bin/x", "");
	folder_write(folder, "a_b/l1/env/ALL", "all");
	folder_write(folder, "a_b/l1/env.launch/LAUNCH", "launch");
	folder_write(folder, "a_b/l1/env.launch/web/TYPED", "web");
	folder_write(folder, "a_b/l1/env.launch/worker/TYPED", "worker");
	folder_write(folder, "a_b/l1/env.build/BUILD", "build");
	folder_write_program(folder, "c/l/exec.d/web/program",
	                     "#!/bin/sh\necho \"ANSWER = \\\"$ALL and more\\\"\" >&3\n");
	folder_write(folder, "c/l/profile.d/a.sh", "");
	folder_write(folder, "app/.profile", "");
	strv_env_set(&env, "PATH", "/cnb/process:/bin:/cnb/lifecycle");
	strv_env_set(&env, "CNB_LAYERS_DIR", folder);
	launch_env_clean(&env);
	assert_ok(launch_env_apply(&place, &env, &err));
	assert_string_equal(strv_env_get(&env, "PATH"), path);
	assert_string_equal(strv_env_get(&env, "ALL"), "all");
	assert_string_equal(strv_env_get(&env, "LAUNCH"), "launch");
	assert_string_equal(strv_env_get(&env, "TYPED"), "web");
	assert_null(strv_env_get(&env, "BUILD"));
	assert_null(strv_env_get(&env, "CNB_LAYERS_DIR"));
	assert_string_equal(strv_env_get(&env, "ANSWER"), "all and more");
	assert_ok(launch_profiles(&place, &profiles, &err));
	assert_int_equal(profiles.len, 2);
	assert_true(str_ends(profiles.items[0], "/profile.d/a.sh"));
	assert_true(str_ends(profiles.items[1], "app/.profile"));
}

static void a_failing_exec_d_program_ends_the_launch(void **state)
{
	static const char *const programs[][2] = {
		{"#!/bin/sh\nexit 3\n", "exit code 3"},
		{"#!/bin/sh\necho not toml >&3\n", "its answer:1"},
		{"#!/bin/sh\necho 'A = 1' >&3\n", "A is not a string"},
	};
	const char *folder = *state;
	cleanup_json json_t *buildpacks = json_pack("[{s:s}]", "id", "c");
	const struct launch_place place = {folder, folder, NULL, buildpacks};

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strv_release) struct strv env = STRV_INIT;

		folder_write_program(folder, "c/l/exec.d/program", programs[i][0]);
		assert_int_equal(launch_env_apply(&place, &env, &err), -1);
		assert_non_null(strstr(err.text, programs[i][1]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_chosen),
		cmocka_unit_test(a_process_may_have_a_directory),
		cmocka_unit_test(no_command_is_an_error),
		cmocka_unit_test(shell_commands_source_profiles),
		cmocka_unit_test_setup_teardown(layers_make_the_environment, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(a_failing_exec_d_program_ends_the_launch,
	                                        folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
