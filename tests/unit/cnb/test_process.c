#include "cnb/builder_info.h"
#include "cnb/process.h"
#include "unit/lifecycle/folder.h"

static json_t *config_with(const char *label, const char *text, const char *entrypoint)
{
	return json_pack("{s:{s:{s:s}, s:[s]}}", "config", "Labels", label, text, "Entrypoint",
	                 entrypoint);
}

static void processes_are_read_from_the_label(void **state)
{
	static const char label[] =
		"{\"processes\":[{\"type\":\"web\",\"command\":[\"npm\"],\"args\":[\"start\"]},"
		"{\"type\":\"old\",\"command\":\"run me\",\"args\":null}]}";
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cnb_processes_release) struct cnb_processes processes = {0};
	cleanup_json json_t *config =
		config_with("io.buildpacks.build.metadata", label, "/cnb/process/web");

	assert_ok(cnb_processes_read(config, &processes, &err));
	assert_int_equal(processes.items.len, 2);
	assert_string_equal(processes.items.items[0].type, "web");
	assert_string_equal(processes.items.items[0].command.items[1], "start");
	assert_true(processes.items.items[0].is_default);
	assert_string_equal(processes.items.items[1].command.items[0], "run me");
	assert_false(processes.items.items[1].is_default);
}

static void other_images_have_none(void **state)
{
	static const char *const labels[][2] = {
		{"other", "{}"},
		{"io.buildpacks.build.metadata", "{broken"},
		{"io.buildpacks.build.metadata", "{\"processes\":[{\"command\":[]}]}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(cnb_processes_release) struct cnb_processes processes = {0};
		cleanup_json json_t *config = config_with(labels[i][0], labels[i][1], "/bin/sh");

		assert_int_equal(cnb_processes_read(config, &processes, &err), -1);
		assert_true(err.code == ERR_NOT_FOUND || i > 0);
	}
}

#define BUILDER(apis)                                                                              \
	"{\"buildpacks\":[{\"id\":\"a/b\",\"version\":\"2\"},{\"id\":\"c\",\"version\":\"1\"}],"   \
	"\"images\":[{\"image\":\"run\"}],\"lifecycle\":{\"version\":\"9\",\"apis\":{"             \
	"\"platform\":{\"supported\":[" apis "]}}}}"

static void a_builder_tells_about_itself(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(builder_info_release) struct builder_info info = {0};
	cleanup(strbuf_release) struct strbuf order = STRBUF_INIT;
	cleanup(strv_release) struct strv ids = STRV_INIT;
	cleanup(strv_release) struct strv unknown = STRV_INIT;
	struct image image = {.config = config_with(LABEL_BUILDER,
	                                            BUILDER("\"0.7\",\"0.12\",\"0.13\",\"0.15\""),
	                                            "x")};

	assert_ok(builder_info_read(&image, "b", &info, &err));
	assert_string_equal(info.platform_api, "0.13");
	assert_string_equal(info.run_image, "run");
	strv_add(&ids, "a/b");
	strv_add(&ids, "c@1");
	assert_ok(builder_info_order(&info, &ids, &order, &err));
	assert_non_null(strstr(order.buf, "id = \"a/b\"\nversion = \"2\""));
	strv_add(&unknown, "c@2");
	assert_int_equal(builder_info_order(&info, &unknown, &order, &err), -1);
	assert_string_equal(err.hint, "it has a/b@2, c@1");
	json_decref(image.config);
}

static void what_cannot_be_driven_is_refused(void **state)
{
	static const struct {
		const char *label, *text;
		int code;
	} cases[] = {
		{"other", "{}", ERR_NOT_FOUND},
		{LABEL_BUILDER, BUILDER("\"0.7\",\"0.11\""), ERR_UNSUPPORTED},
		{LABEL_BUILDER, "{}", ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(builder_info_release) struct builder_info info = {0};
		struct image image = {.config = config_with(cases[i].label, cases[i].text, "x")};

		assert_int_equal(builder_info_read(&image, "b", &info, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_non_null(err.hint);
		json_decref(image.config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_read_from_the_label),
		cmocka_unit_test(other_images_have_none),
		cmocka_unit_test(a_builder_tells_about_itself),
		cmocka_unit_test(what_cannot_be_driven_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
