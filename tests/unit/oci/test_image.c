#include "fixture.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/image.h"

#include <errno.h>

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void docker_and_oci_manifests_are_read(void **state)
{
	static const char *const texts[] = {
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_MANIFEST
		"\",\"config\":{\"mediaType\":\"" MEDIA_CONFIG "\",\"digest\":\"" A
		"\",\"size\":7},\"layers\":[{\"mediaType\":\"" MEDIA_LAYER_GZIP "\",\"digest\":\"" B
		"\",\"size\":9}]}",
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
		"\",\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\","
		"\"digest\":\"" A
		"\",\"size\":7},\"layers\":[{\"mediaType\":\"application/vnd.docker.image.rootfs."
		"diff.tar.gzip\",\"digest\":\"" B "\",\"size\":9}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(image_release) struct image image = IMAGE_INIT;

		assert_ok(image_parse_manifest(texts[i], strlen(texts[i]), &image, &err));
		assert_string_equal(image.config_desc.digest, A);
		assert_int_equal(image.layers.len, 1);
		assert_string_equal(image.layers.items[0].digest, B);
		assert_int_equal(image.layers.items[0].size, 9);
	}
}

static void malformed_manifests_are_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"", ERR_CONFIG},
		{"[]", EINVAL},
		{"{\"schemaVersion\":1,\"fsLayers\":[]}", ERR_UNSUPPORTED},
		{"{\"schemaVersion\":2}", EINVAL},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A
	         "\",\"size\":-1},\"layers\":[]}",
	         EINVAL},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../x\",\"size\":1},"
	         "\"layers\":[]}",
	         ERR_USAGE},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A "\",\"size\":99999999},"
	         "\"layers\":[]}",
	         EFBIG},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A "\",\"size\":1}}", EINVAL},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A
	         "\",\"size\":1},\"layers\":[{\"digest\":7}]}",
	         EINVAL},
		{"{\"schemaVersion\":2,\"config\":{\"digest\":\"" A
	         "\",\"size\":1},\"layers\":[{\"mediaType\":\"x+encrypted\",\"digest\":\"" B
	         "\",\"size\":1}]}",
	         ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(image_release) struct image image = IMAGE_INIT;

		assert_int_equal(
			image_parse_manifest(cases[i].text, strlen(cases[i].text), &image, &err),
			-1);
		if (err.code != cases[i].code)
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
	}
}

static void configs_must_match_their_layers(void **state)
{
	static const struct {
		const char *text;
		int code; /* 0: fine */
	} cases[] = {
		{"{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]}}", 0},
		{"{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"config\":null}", 0},
		{"{\"rootfs\":{\"diff_ids\":[\"" A "\",\"" B "\"]}}", EINVAL},
		{"{\"rootfs\":{\"diff_ids\":[]}}", EINVAL},
		{"{\"rootfs\":{\"diff_ids\":[\"../../x\"]}}", ERR_USAGE},
		{"{\"rootfs\":{\"diff_ids\":[7]}}", ERR_USAGE},
		{"{}", ERR_UNSUPPORTED},
		{"{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"config\":[]}", EINVAL},
		{"{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"config\":{\"Env\":\"A=b\"}}", ERR_USAGE},
		{"{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"config\":{\"Cmd\":[7]}}", ERR_USAGE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(image_release) struct image image = IMAGE_INIT;
		int result;

		*array_add(&image.layers) = (struct descriptor){0};
		result = image_parse_config(cases[i].text, strlen(cases[i].text), &image, &err);
		if (result != (cases[i].code ? -1 : 0) || err.code != cases[i].code)
			fail_msg("%zu: %d, code %d: %s", i, result, err.code, err.text);
	}
}

static void the_platform_of_this_machine_is_chosen(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(descriptor_release) struct descriptor found = {0};
	cleanup_free char *text =
		xasprintf("{\"manifests\":[{\"digest\":\"" A
	                  "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"vax\"}},"
	                  "{\"digest\":\"" B "\",\"size\":2,\"platform\":{\"os\":\"linux\","
	                  "\"architecture\":\"%s\"}}]}",
	                  image_architecture());
	const char *foreign = "{\"manifests\":[{\"digest\":\"" A
			      "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":"
			      "\"vax\"}}]}";
	const char *unsaid = "{\"manifests\":[{\"digest\":\"" A "\",\"size\":1}]}";

	assert_ok(image_choose_platform(text, strlen(text), &found, &err));
	assert_string_equal(found.digest, B);
	descriptor_release(&found);
	assert_ok(image_choose_platform(unsaid, strlen(unsaid), &found, &err));
	assert_string_equal(found.digest, A);
	assert_int_equal(image_choose_platform(foreign, strlen(foreign), &found, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "linux/vax"));
	assert_int_equal(image_choose_platform("{}", 2, &found, &err), -1);
}

static void changes_keep_what_they_do_not_know(void **state)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"future\":{\"x\":1},\"config\":{\"Env\":[\"A=1\"],"
		"\"Healthcheck\":{\"Test\":[\"NONE\"]}},\"history\":[{\"created_by\":\"base\"},"
		"{\"created_by\":\"env\",\"empty_layer\":true},{\"created_by\":\"app\"}],"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\",\"" B "\"]}}";
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT, none = STRV_INIT;
	struct descriptor layer = {.media_type = (char *)MEDIA_LAYER, .digest = A, .size = 3};

	*array_add(&image.layers) = (struct descriptor){0};
	*array_add(&image.layers) = (struct descriptor){0};
	assert_ok(image_parse_config(text, strlen(text), &image, &err));
	image_keep_layers(&image, 1);
	assert_int_equal(image.diff_ids.len, 1);
	assert_int_equal(json_array_size(json_object_get(image.config, "history")), 2);
	image_add_layer(&image, &layer, B, "new");
	assert_int_equal(json_array_size(json_object_get(image.config, "history")), 3);
	assert_int_equal(image.layers.len, 2);
	image_set_label(&image, "a.b", "c");
	image_set_user(&image, "app");
	image_set_cmd(&image, &none);
	assert_string_equal(image_label(&image, "a.b"), "c");
	assert_null(image_label(&image, "none"));
	assert_string_equal(image_user(&image), "app");
	assert_string_equal(image_working_dir(&image), "");
	assert_ok(image_env(&image, &env, &err));
	assert_string_equal(env.items[0], "A=1");
	assert_non_null(json_object_get(image.config, "future"));
	assert_non_null(json_object_get(image_settings(&image), "Healthcheck"));
}

static void an_image_needs_its_layers(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct descriptor layer = {.media_type = (char *)MEDIA_LAYER, .digest = A, .size = 3};

	image_init_empty(&image);
	assert_ok(image_commit(&fixture->store, &image, &err));
	image_add_layer(&image, &layer, B, "new");
	assert_int_equal(image_commit(&fixture->store, &image, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

#define image_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_and_oci_manifests_are_read),
		cmocka_unit_test(malformed_manifests_are_refused),
		cmocka_unit_test(configs_must_match_their_layers),
		cmocka_unit_test(the_platform_of_this_machine_is_chosen),
		cmocka_unit_test(changes_keep_what_they_do_not_know),
		image_test(an_image_needs_its_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
