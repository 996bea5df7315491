#include "cnb/build.h"
#include "cnb/build_key.h"
#include "cnb/source.h"
#include "unit/lifecycle/folder.h"

static json_t *key(struct build_request *request, const char *builder, const char *run,
                   const char *digest)
{
	struct source source = {0};

	str_copy(source.digest, sizeof(source.digest), digest);
	return build_key_new(request, builder, run, &source);
}

static char *reason(const json_t *before, const json_t *after)
{
	static const struct source none;

	return build_key_reason(before, after, &none, &none);
}

static void a_difference_has_a_reason(void **state)
{
	static const struct {
		const char *env, *builder, *run, *digest, *process, *want;
	} cases[] = {
		{"A=1", "b", "r", "s", NULL, NULL},
		{"A=1", "b2", "r", "s", NULL, "the builder changed"},
		{"A=1", "b", "r2", "s", NULL, "the run image changed"},
		{"A=2", "b", "r", "s", NULL, "variable A changed"},
		{"B=1", "b", "r", "s", NULL, "variable B is new"},
		{NULL, "b", "r", "s", NULL, "variable A was removed"},
		{"A=1", "b", "r", "s", "worker", "the process changed"},
		{"A=1", "b", "r", "s2", NULL, "no file changed"},
	};
	cleanup(build_request_release) struct build_request before_request = {0};
	cleanup_json json_t *before = NULL;

	strv_add(&before_request.env, "A=1");
	before = key(&before_request, "b", "r", "s");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(build_request_release) struct build_request request = {0};
		cleanup_json json_t *after = NULL;
		cleanup_free char *got = NULL;

		if (cases[i].env)
			strv_add(&request.env, cases[i].env);
		request.process = cases[i].process;
		after = key(&request, cases[i].builder, cases[i].run, cases[i].digest);
		got = reason(before, after);
		assert_true(str_eq_null(got, cases[i].want));
	}
}

static void without_a_record_it_is_the_first(void **state)
{
	cleanup(build_request_release) struct build_request request = {0};
	cleanup_json json_t *after = key(&request, "b", "r", "s");
	cleanup_free char *got = reason(NULL, after);

	assert_string_equal(got, "first build");
}

static void values_of_variables_are_not_kept(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(build_request_release) struct build_request request = {0};
	cleanup_free char *path = path_join(folder, "build.json");
	cleanup_json json_t *made = NULL;
	cleanup_json json_t *record = NULL;
	cleanup_free char *text = NULL;

	strv_add(&request.env, "TOKEN=secret-value");
	made = key(&request, "b", "r", "s");
	assert_ok(build_record_save(path, made, "sha256:0", &err));
	text = folder_read(folder, "build.json");
	assert_null(strstr(text, "secret-value"));
	record = build_record_load(path);
	assert_true(json_equal(json_object_get(record, "key"), made));
	folder_write(folder, "build.json", "[]");
	assert_null(build_record_load(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_difference_has_a_reason),
		cmocka_unit_test(without_a_record_it_is_the_first),
		cmocka_unit_test_setup_teardown(values_of_variables_are_not_kept, folder_make,
	                                        folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
