#include "lifecycle/exit_code.h"
#include "lifecycle/layout.h"
#include "lifecycle/platform.h"
#include "lifecycle/slices.h"
#include "unit/lifecycle/folder.h"

static int parse(struct platform *platform, enum phase phase, struct error *err,
                 const char *const *args)
{
	return platform_parse(platform, phase, args, err);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int set_api(void **state)
{
	setenv("CNB_PLATFORM_API", "0.12", 1);
	unsetenv("CNB_LAYERS_DIR");
	return 0;
}

static void flags_win_over_variables_over_defaults(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(platform_release) struct platform platform = {0};

	setenv("CNB_LAYERS_DIR", "/from-env", 1);
	setenv("CNB_APP_DIR", "/app-from-env", 1);
	assert_ok(parse(&platform, PHASE_DETECT, &err,
	                ARGS("-app", "/from-flag", "--log-level=debug")));
	unsetenv("CNB_APP_DIR");
	assert_string_equal(platform.app, "/from-flag");
	assert_string_equal(platform.layers, "/from-env");
	assert_string_equal(platform.group, "/from-env/group.toml");
	assert_string_equal(platform.buildpacks, "/cnb/buildpacks");
	assert_string_equal(platform.order, "/cnb/order.toml");
	assert_true(platform.is_verbose);
}

static void an_order_of_the_layers_comes_first(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(platform_release) struct platform platform = {0};
	cleanup_free char *order = path_join(folder, "order.toml");

	folder_write(folder, "order.toml", "");
	assert_ok(parse(&platform, PHASE_DETECT, &err, ARGS("-layers", folder)));
	assert_string_equal(platform.order, order);
}

static void bad_command_lines_have_their_exit_codes(void **state)
{
	static const struct {
		enum phase phase;
		const char *args[5];
		int exit_code;
		const char *text;
	} cases[] = {
		{PHASE_DETECT, {"-nope"}, EXIT_BAD_FLAG, "-nope"},
		/* A flag of another phase. */
		{PHASE_DETECT, {"-cache-dir", "/c"}, EXIT_BAD_FLAG, "-cache-dir"},
		{PHASE_DETECT, {"-app"}, EXIT_BAD_FLAG, "needs a value"},
		{PHASE_DETECT, {"extra"}, EXIT_BAD_ARGS, "extra"},
		{PHASE_EXPORT, {"-layout-dir", "/l"}, EXIT_BAD_ARGS, "image"},
		{PHASE_EXPORT, {"app"}, EXIT_BAD_ARGS, "-layout-dir"},
		{PHASE_EXPORT, {"-daemon", "app"}, EXIT_BAD_ARGS, "-daemon"},
		{PHASE_EXPORT, {"-layout=maybe", "app"}, EXIT_BAD_FLAG, "maybe"},
		{PHASE_EXPORT, {"-layout-dir", "/l", "one", "two"}, EXIT_BAD_ARGS, "two"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(platform_release) struct platform platform = {0};

		assert_int_equal(parse(&platform, cases[i].phase, &err, cases[i].args), -1);
		assert_int_equal(exit_code_of(&err, 1), cases[i].exit_code);
		assert_non_null(strstr(err.text, cases[i].text));
	}
}

static void the_platform_api_must_be_ours(void **state)
{
	static const char *const apis[] = {NULL, "", "0.11", "0.14", "1.0", "0.012x"};
	static const char *const none[] = {NULL};

	for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(platform_release) struct platform platform = {0};

		if (apis[i])
			setenv("CNB_PLATFORM_API", apis[i], 1);
		else
			unsetenv("CNB_PLATFORM_API");
		assert_int_equal(platform_parse(&platform, PHASE_BUILD, none, &err), -1);
		assert_int_equal(exit_code_of(&err, 1), EXIT_PLATFORM_API);
		assert_non_null(err.hint);
	}
}

static void image_names_become_paths(void **state)
{
	static const char *const cases[][2] = {
		{"redis", "/l/index.docker.io/library/redis/latest"},
		{"redis:7", "/l/index.docker.io/library/redis/7"},
		{"me/app", "/l/index.docker.io/me/app/latest"},
		{"docker.io/me/app", "/l/index.docker.io/me/app/latest"},
		{"localhost:5000/a/b:c", "/l/localhost:5000/a/b/c"},
		{"reg.io/a@sha256:00ff", "/l/reg.io/a/sha256/00ff"},
	};
	static const char *const bad[] = {"", "/etc", "a//b", "../x", "a/../b", "a b", "a/", "-x"};
	cleanup(error_release) struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *path = layout_path("/l", cases[i][0], &err);

		assert_string_equal(path, cases[i][1]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_free char *path = layout_path("/l", bad[i], &err);

		assert_null(path);
	}
}

static void slices_take_files_once(void **state)
{
	cleanup_json json_t *list = json_pack("[{s:[s,s]},{s:[s]}]", "paths", "static", "*.css",
	                                      "paths", "static/*.js");
	const struct slices slices = {"/w", list};

	assert_int_equal(slice_of(&slices, "/w/static"), 0);
	assert_int_equal(slice_of(&slices, "/w/static/a.js"), 0);
	assert_int_equal(slice_of(&slices, "/w/a.css"), 0);
	assert_int_equal(slice_of(&slices, "/w/sub/a.css"), SLICE_REST);
	assert_int_equal(slice_of(&slices, "/w/a.js"), SLICE_REST);
	assert_int_equal(slice_of(&slices, "/w"), SLICE_REST);
	assert_int_equal(slice_of(&slices, "/wx/static"), SLICE_REST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(flags_win_over_variables_over_defaults, set_api),
		cmocka_unit_test_setup_teardown(an_order_of_the_layers_comes_first, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup(bad_command_lines_have_their_exit_codes, set_api),
		cmocka_unit_test(the_platform_api_must_be_ours),
		cmocka_unit_test(image_names_become_paths),
		cmocka_unit_test(slices_take_files_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
