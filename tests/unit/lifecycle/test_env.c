#include "lifecycle/env.h"
#include "unit/lifecycle/folder.h"

static void actions_follow_the_specification(void **state)
{
	static const struct {
		const char *old, *value, *delim, *want;
		enum env_action action;
	} cases[] = {
		{"old", "new", NULL, "new", ENV_OVERRIDE},
		{NULL, "new", NULL, "new", ENV_OVERRIDE},
		{"old", "new", NULL, "old", ENV_DEFAULT},
		{NULL, "new", NULL, "new", ENV_DEFAULT},
		{"", "new", NULL, "new", ENV_DEFAULT},
		{"old", "new", NULL, "oldnew", ENV_APPEND},
		{"old", "new", ":", "old:new", ENV_APPEND},
		{"", "new", ":", "new", ENV_APPEND},
		{NULL, "new", ":", "new", ENV_PREPEND},
		{"old", "new", " ", "new old", ENV_PREPEND},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strv_release) struct strv env = STRV_INIT;

		if (cases[i].old)
			strv_env_set(&env, "X", cases[i].old);
		env_modify(&env, "X", cases[i].action, cases[i].value, cases[i].delim);
		assert_string_equal(strv_env_get(&env, "X"), cases[i].want);
	}
}

static void files_of_a_directory_are_applied_in_order(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;

	strv_env_set(&env, "A", "old");
	strv_env_set(&env, "B", "old");
	strv_env_set(&env, "D", "old");
	folder_write(folder, "A", "plain");
	folder_write(folder, "B.append", "new");
	folder_write(folder, "B.delim", "-");
	folder_write(folder, "C.default", "with newline\n");
	folder_write(folder, "D.unknown", "ignored");
	folder_write(folder, "D.append.override", "ignored: the suffix is append.override");
	folder_write(folder, ".hidden", "has no name");
	folder_write(folder, "sub/E", "subdirectories are not read");
	assert_ok(env_apply_dir(&env, folder, ENV_OVERRIDE, &err));
	assert_string_equal(strv_env_get(&env, "A"), "plain");
	assert_string_equal(strv_env_get(&env, "B"), "old-new");
	assert_string_equal(strv_env_get(&env, "C"), "with newline\n");
	assert_string_equal(strv_env_get(&env, "D"), "old");
	assert_null(strv_env_get(&env, "E"));
	assert_null(strv_env_get(&env, "B.delim"));
	assert_int_equal(env.len, 4);
}

static void a_missing_directory_is_empty(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;

	assert_ok(env_apply_dir(&env, "/nonexistent", ENV_OVERRIDE, &err));
	assert_int_equal(env.len, 0);
}

static void a_nul_byte_in_a_value_is_an_error(void **state)
{
	const char *folder = *state;
	cleanup_free char *path = path_join(folder, "A");
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;

	assert_int_equal(fs_write_atomic(path, "a\0b", 3, 0644, &err), 0);
	assert_int_equal(env_apply_dir(&env, folder, ENV_OVERRIDE, &err), -1);
	assert_non_null(strstr(err.text, "NUL"));
}

static void the_user_overrides_but_paths_go_in_front(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;

	strv_env_set(&env, "PATH", "/bin");
	strv_env_set(&env, "FLAG", "old");
	folder_write(folder, "PATH", "/mine");
	folder_write(folder, "CPATH", "/include");
	folder_write(folder, "FLAG", "new");
	assert_ok(env_apply_platform(&env, folder, &err));
	assert_string_equal(strv_env_get(&env, "PATH"), "/mine:/bin");
	assert_string_equal(strv_env_get(&env, "CPATH"), "/include");
	assert_string_equal(strv_env_get(&env, "FLAG"), "new");
}

static void only_some_variables_pass_through(void **state)
{
	static const char *const from[] = {"PATH=/bin",    "LANG=C",   "HOME=/root",
	                                   "HTTP_PROXY=p", "PATHX=no", NULL};
	cleanup(strv_release) struct strv env = STRV_INIT;

	env_pass_through(&env, from);
	assert_int_equal(env.len, 3);
	assert_string_equal(strv_env_get(&env, "PATH"), "/bin");
	assert_null(strv_env_get(&env, "LANG"));
}

static void root_directories_of_layers(void **state)
{
	const char *folder = *state;
	cleanup(strv_release) struct strv build = STRV_INIT;
	cleanup(strv_release) struct strv launch = STRV_INIT;
	cleanup_free char *bin = path_join(folder, "bin");
	cleanup_free char *path = xasprintf("%s:/bin", bin);

	folder_write(folder, "bin/x", "");
	folder_write(folder, "lib/x", "");
	folder_write(folder, "include/x", "");
	strv_env_set(&build, "PATH", "/bin");
	env_add_layer_build(&build, folder);
	env_add_layer_launch(&launch, folder);
	assert_string_equal(strv_env_get(&build, "PATH"), path);
	assert_non_null(strv_env_get(&build, "LIBRARY_PATH"));
	assert_non_null(strv_env_get(&build, "CPATH"));
	assert_null(strv_env_get(&build, "PKG_CONFIG_PATH"));
	assert_string_equal(strv_env_get(&launch, "PATH"), bin);
	assert_non_null(strv_env_get(&launch, "LD_LIBRARY_PATH"));
	assert_null(strv_env_get(&launch, "CPATH"));
}

static void a_directory_leaves_the_path(void **state)
{
	static const char *const cases[][2] = {
		{"/cnb/process:/bin", "/bin"},
		{"/bin:/cnb/process", "/bin"},
		{"/a:/cnb/process:/cnb/process:/b", "/a:/b"},
		{"/cnb/process", ""},
		{"/cnb/processes", "/cnb/processes"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strv_release) struct strv env = STRV_INIT;

		strv_env_set(&env, "PATH", cases[i][0]);
		env_path_remove(&env, "/cnb/process");
		assert_string_equal(strv_env_get(&env, "PATH"), cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_follow_the_specification),
		cmocka_unit_test_setup_teardown(files_of_a_directory_are_applied_in_order,
	                                        folder_make, folder_remove),
		cmocka_unit_test(a_missing_directory_is_empty),
		cmocka_unit_test_setup_teardown(a_nul_byte_in_a_value_is_an_error, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(the_user_overrides_but_paths_go_in_front,
	                                        folder_make, folder_remove),
		cmocka_unit_test(only_some_variables_pass_through),
		cmocka_unit_test_setup_teardown(root_directories_of_layers, folder_make,
	                                        folder_remove),
		cmocka_unit_test(a_directory_leaves_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
