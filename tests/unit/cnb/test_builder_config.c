#include "cnb/builder_buildpack.h"
#include "cnb/builder_config.h"
#include "unit/lifecycle/folder.h"

#define GOOD                                                                                       \
	"[build]\nimage = \"base\"\n"                                                              \
	"[[buildpacks]]\nuri = \"bp\"\n"                                                           \
	"[[order]]\n[[order.group]]\nid = \"a/b\"\noptional = true\n"

static int read_config(const char *folder, const char *text, struct builder_config *ret,
                       struct error *err)
{
	cleanup_free char *path = path_join(folder, "builder.toml");

	folder_write(folder, "builder.toml", text);
	return builder_config_read(path, ret, err);
}

static void a_good_file_is_read(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(builder_config_release) struct builder_config config = {0};
	cleanup_free char *dir = path_join(folder, "bp");

	assert_ok(read_config(
		folder, "description = \"d\"\n" GOOD "[[build.env]]\nname = \"A\"\nvalue = \"1\"\n",
		&config, &err));
	assert_string_equal(config.description, "d");
	assert_string_equal(config.build_image, "base");
	assert_string_equal(config.run_image, "base");
	assert_string_equal(config.buildpacks.items[0].dir, dir);
	assert_true(config.order.items[0].items.items[0].is_optional);
	assert_string_equal(strv_env_get(&config.build_env, "A"), "1");
}

static void mistakes_have_their_place(void **state)
{
	static const struct {
		const char *text, *place, *want;
	} cases[] = {
		{"x = \n", ":1:", ""},
		{"desciption = \"d\"\n" GOOD, ":1:1", "unknown key `desciption`"},
		{GOOD "[run]\nimagse = 1\n", ":10:1", "unknown key `imagse`"},
		{"buildpacks = 1\n[build]\nimage = \"b\"\n", ":1:14", "expected [[buildpacks]]"},
		{"buildpacks = [1]\n", ":1:15", "expected a table"},
		{"[[buildpacks]]\nid = \"a/b\"\n", ":1:", "no uri"},
		{"[[buildpacks]]\nuri = 1\n", ":2:7", "expected a text, got"},
		{"[[buildpacks]]\nuri = \"https://x.example/bp\"\n", ":2:7", "only folders"},
		{"[[buildpacks]]\nuri = \"bp.tgz\"\n", ":2:7", "only folders"},
		{"[[buildpacks]]\nimage = \"x\"\n", ":2:1", "not supported yet"},
		{"[[order]]\n", ":1:", "has no [[order.group]]"},
		{"[[order]]\n[[order.group]]\nversion = \"1\"\n", ":2:", "has no id"},
		{"[[order]]\n[[order.group]]\nid = \"a\"\noptional = 1\n", ":4:12",
	         "true or false"},
		{GOOD "[lifecycle]\nuri = \"x\"\n", ":10:1", "not supported yet"},
		{GOOD "[[extensions]]\n", ":9:", "not supported yet"},
		{GOOD "[run]\n[[run.images]]\n", ":10:", "has no image"},
		{"[build]\nimage = \"\"\n", ":2:9", "an empty one"},
		{"[[buildpacks]]\nuri = \"bp\"\n", ":1:1", "base image is missing"},
		{"build = 1\n", ":1:9", "expected a table"},
		{GOOD "[[build.env]]\nname = \"A=B\"\nvalue = \"1\"\n", ":9:", "not the name"},
	};
	const char *folder = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(builder_config_release) struct builder_config config = {0};

		assert_int_equal(read_config(folder, cases[i].text, &config, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.text, "builder.toml:") || !strstr(err.text, cases[i].place) ||
		    !strstr(err.text, cases[i].want))
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void a_near_key_is_suggested(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(builder_config_release) struct builder_config config = {0};

	assert_int_equal(read_config(*state, "[[buildpacks]]\nurl = \"x\"\n", &config, &err), -1);
	assert_non_null(strstr(err.hint, "`uri`"));
}

#define ABOUT "[buildpack]\nid = \"a/b\"\nversion = \"1\"\n"

static int read_folders(const char *folder, const char *buildpack_toml,
                        struct buildpack_folders *ret, struct builder_config *config,
                        struct error *err)
{
	assert_int_equal(read_config(folder, GOOD, config, err), 0);
	folder_write(folder, "bp/buildpack.toml", buildpack_toml);
	return buildpack_folders_read(config, ret, err);
}

static void folders_must_be_buildpacks(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"x = \n", "buildpack.toml:1:"},
		{ABOUT, "api"},
		{"api = \"0.10\"\n", "[buildpack]"},
		{"api = \"0.6\"\n" ABOUT, "\"0.6\" is not supported"},
		{"api = \"0.10\"\n[buildpack]\nid = \"../x\"\nversion = \"1\"\n", "not valid"},
		{"api = \"0.10\"\n[buildpack]\nid = \"a/b\"\nversion = \"1/2\"\n", "not valid"},
		{"api = \"0.10\"\n" ABOUT, "has no bin/detect"},
	};
	const char *folder = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(builder_config_release) struct builder_config config = {0};
		cleanup(buildpack_folders_release) struct buildpack_folders folders = {0};

		assert_int_equal(read_folders(folder, cases[i].text, &folders, &config, &err), -1);
		if (!strstr(err.text, cases[i].want))
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void a_program_must_be_executable(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(error_release) struct error none = ERROR_INIT;
	cleanup(builder_config_release) struct builder_config config = {0};
	cleanup(builder_config_release) struct builder_config again = {0};
	cleanup(buildpack_folders_release) struct buildpack_folders bad = {0};
	cleanup(buildpack_folders_release) struct buildpack_folders good = {0};

	folder_write(folder, "bp/bin/detect", "");
	assert_int_equal(read_folders(folder, "api = \"0.10\"\n" ABOUT, &bad, &config, &err), -1);
	assert_non_null(strstr(err.text, "builder.toml:4:7"));
	assert_non_null(strstr(err.hint, "chmod +x"));
	folder_write_program(folder, "bp/bin/detect", "");
	folder_write_program(folder, "bp/bin/build", "");
	assert_int_equal(read_folders(folder, "api = \"0.10\"\n" ABOUT, &good, &again, &none), 0);
	assert_non_null(buildpack_folder_find(&good, "a/b", NULL));
	assert_non_null(buildpack_folder_find(&good, "a/b", "1"));
	assert_null(buildpack_folder_find(&good, "a/b", "2"));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_good_file_is_read),          IN_FOLDER(mistakes_have_their_place),
		IN_FOLDER(a_near_key_is_suggested),      IN_FOLDER(folders_must_be_buildpacks),
		IN_FOLDER(a_program_must_be_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
