#include "../config/folder.h"

#include "base/json.h"
#include "base/str.h"
#include "daemon/changes.h"

static json_t *compare(const char *before, const char *after)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_project struct project_config *config = NULL;

	folder_write(&folder, "locald.toml",
	             "[env]\nSHARED = 'b'\n[services.a]\ncommand = 'new'\nenv = { X = '2' }\n");
	config = project_load(folder.path, NULL, &diags, &err);
	assert_non_null(config);
	return changes_between(before, after, config, project_service(config, "a"));
}

static void expect(const char *before, const char *after, const char *expected)
{
	cleanup_json json_t *reasons = compare(before, after);
	cleanup_free char *text = json_text(reasons);

	assert_string_equal(text, expected);
}

static void keys_and_variables_are_shown_with_their_places(void **state)
{
	expect("{\"config\":{\"command\":\"old\",\"env\":{\"X\":\"1\"}},\"env\":[\"X=1\"]}",
	       "{\"config\":{\"command\":\"new\",\"env\":{\"X\":\"2\"}},\"env\":[\"X=2\"]}",
	       "[{\"what\":\"command\",\"file\":\"locald.toml\",\"line\":4,\"before\":\"old\","
	       "\"after\":\"new\"},{\"what\":\"env X\",\"file\":\"locald.toml\",\"line\":5,"
	       "\"before\":\"1\",\"after\":\"2\"}]");
	expect("{\"config\":{},\"env\":[\"SHARED=a\"],\"shared_env\":{\"SHARED\":\"a\"}}",
	       "{\"config\":{},\"env\":[\"SHARED=b\"],\"shared_env\":{\"SHARED\":\"b\"}}",
	       "[{\"what\":\"env SHARED\",\"file\":\"locald.toml\",\"line\":2,"
	       "\"before\":\"a\",\"after\":\"b\"}]");
}

static void values_that_nobody_wrote_or_that_are_secret_are_not(void **state)
{
	/* From an env file, or another service's port. */
	expect("{\"config\":{},\"env\":[\"DOT=1\"]}", "{\"config\":{},\"env\":[\"DOT=2\"]}",
	       "[{\"what\":\"env DOT\"}]");
	expect("{\"config\":{\"env\":{\"API_KEY\":\"s3\"}},\"env\":[\"API_KEY=s3\"]}",
	       "{\"config\":{\"env\":{\"API_KEY\":\"s4\"}},\"env\":[\"API_KEY=s4\"]}",
	       "[{\"what\":\"env API_KEY\"}]");
	expect("{\"config\":{\"env\":{\"U\":\"x://u:p@h\"}},\"env\":[\"U=x://u:p@h\"]}",
	       "{\"config\":{\"env\":{\"U\":\"x://h\"}},\"env\":[\"U=x://h\"]}",
	       "[{\"what\":\"env U\"}]");
	assert_true(changes_is_secret("github_token"));
	assert_false(changes_is_secret("LOG_LEVEL"));
}

static void what_follows_is_told_only_alone(void **state)
{
	expect("{\"config\":{},\"image\":\"a\"}", "{\"config\":{},\"image\":\"b\"}",
	       "[{\"what\":\"image\"}]");
	expect("{\"config\":{\"command\":\"x\"},\"image\":\"a\"}",
	       "{\"config\":{\"command\":\"y\"},\"image\":\"b\"}",
	       "[{\"what\":\"command\",\"file\":\"locald.toml\",\"line\":4,\"before\":\"x\","
	       "\"after\":\"y\"}]");
	expect(NULL, "{}", "[]");
	expect("no json", "{}", "[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_variables_are_shown_with_their_places),
		cmocka_unit_test(values_that_nobody_wrote_or_that_are_secret_are_not),
		cmocka_unit_test(what_follows_is_told_only_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
