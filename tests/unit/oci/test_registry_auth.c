#include "fixture.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/registry_auth.h"

static void challenges_are_read(void **state)
{
	static const struct {
		const char *header, *scheme, *realm, *service, *scope;
	} cases[] = {
		{"Bearer "
	         "realm=\"https://auth.test/token\",service=\"registry\",scope=\"repository:a/"
	         "b:pull\"",
	         "bearer", "https://auth.test/token", "registry", "repository:a/b:pull"},
		{"bearer  realm=\"https://a.test/t?x=1,2\" , Service=reg", "bearer",
	         "https://a.test/t?x=1,2", "reg", NULL},
		{"Basic realm=\"Registry \\\"x\\\"\"", "basic", "Registry \"x\"", NULL, NULL},
		{"BASIC", "basic", NULL, NULL, NULL},
		{"Bearer realm=\"https://a.test\",error=\"invalid_token\", Basic realm=\"b\"",
	         "bearer", "https://a.test", NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(auth_challenge_release) struct auth_challenge challenge = {0};

		if (auth_challenge_parse(cases[i].header, &challenge, &err) < 0)
			fail_msg("%s: %s", cases[i].header, err.text);
		assert_string_equal(challenge.scheme, cases[i].scheme);
		assert_true(str_eq_null(challenge.realm, cases[i].realm));
		assert_true(str_eq_null(challenge.service, cases[i].service));
		assert_true(str_eq_null(challenge.scope, cases[i].scope));
	}
}

static void malformed_challenges_are_refused(void **state)
{
	static const char *const headers[] = {
		"",
		"=",
		"Bearer",
		"Bearer realm",
		"Bearer realm=",
		"Bearer realm=\"open",
		"Bearer realm=\"x\\",
		"Bearer service=\"x\"",
		"Negotiate abc=",
		"Digest realm=\"x\"",
		"Bearer \"x\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(auth_challenge_release) struct auth_challenge challenge = {0};

		if (auth_challenge_parse(headers[i], &challenge, &err) == 0)
			fail_msg("\"%s\" was taken", headers[i]);
		assert_null(challenge.scheme);
	}
}

/* user:pass, other:secret and hub:word */
static const char auth_json[] =
	"{\"auths\":{\"localhost:5000\":{\"auth\":\"dXNlcjpwYXNz\"},"
	"\"localhost:5000/team\":{\"auth\":\"b3RoZXI6c2VjcmV0\"},"
	"\"https://index.docker.io/v1/\":{\"auth\":\"aHViOndvcmQ=\"},"
	"\"plain.test\":{\"username\":\"me\",\"password\":\"a:b\"},"
	"\"empty.test\":{},\"bad.test\":{\"auth\":\"!!!!\"},\"odd.test\":{\"auth\":\"dXNlcg==\"}}}";

static void credentials_are_found_by_place(void **state)
{
	static const struct {
		const char *registry, *repository, *user, *password;
	} cases[] = {
		{"localhost:5000", "app", "user", "pass"},
		{"localhost:5000", "team/app", "other", "secret"},
		{"localhost:5000", "teams/app", "user", "pass"},
		{"docker.io", "library/alpine", "hub", "word"},
		{"plain.test", "x", "me", "a:b"},
		{"localhost:50001", "app", NULL, NULL},
		{"localhost", "app", NULL, NULL},
		{"empty.test", "app", NULL, NULL},
		{"bad.test", "app", NULL, NULL},
		{"odd.test", "app", NULL, NULL},
	};
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "auth.json");

	assert_ok(fs_write_atomic(path, auth_json, strlen(auth_json), 0600, &err));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(credentials_release) struct credentials creds = {0};

		assert_ok(credentials_find(path, cases[i].registry, cases[i].repository, &creds,
		                           &err));
		assert_true(str_eq_null(creds.user, cases[i].user));
		assert_true(str_eq_null(creds.password, cases[i].password));
	}
}

static void the_usual_files_are_looked_into(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(credentials_release) struct credentials creds = {0};
	cleanup_free char *docker = fixture_path(fixture, ".docker");
	cleanup_free char *config = path_join(docker, "config.json");
	cleanup_free char *own = fixture_path(fixture, "own.json");
	static const char broken[] = "{\"auths\":";

	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("DOCKER_CONFIG");
	setenv("HOME", fixture->dir, 1);
	assert_ok(credentials_find(NULL, "localhost:5000", "app", &creds, &err));
	assert_null(creds.user);
	assert_ok(fs_mkdirs(docker, 0700, &err));
	assert_ok(fs_write_atomic(config, auth_json, strlen(auth_json), 0600, &err));
	assert_ok(credentials_find(NULL, "localhost:5000", "app", &creds, &err));
	assert_string_equal(creds.user, "user");
	credentials_release(&creds);
	assert_ok(fs_write_atomic(own, broken, strlen(broken), 0600, &err));
	setenv("REGISTRY_AUTH_FILE", own, 1);
	assert_int_equal(credentials_find(NULL, "localhost:5000", "app", &creds, &err), -1);
	assert_non_null(strstr(err.text, "own.json"));
}

#define auth_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(malformed_challenges_are_refused),
		auth_test(credentials_are_found_by_place),
		auth_test(the_usual_files_are_looked_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
