#include "oci/reference.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void references_have_one_canonical_text(void **state)
{
	static const struct {
		const char *text, *canonical, *api_host, *manifest;
		bool is_loopback;
	} cases[] = {
		{"alpine", "docker.io/library/alpine:latest", "registry-1.docker.io", "latest",
	         false},
		{"alpine:3.20", "docker.io/library/alpine:3.20", "registry-1.docker.io", "3.20",
	         false},
		{"team/app", "docker.io/team/app:latest", "registry-1.docker.io", "latest", false},
		{"index.docker.io/alpine", "docker.io/library/alpine:latest",
	         "registry-1.docker.io", "latest", false},
		{"ghcr.io/a/b-c__d/e.f:V_1", "ghcr.io/a/b-c__d/e.f:V_1", "ghcr.io", "V_1", false},
		{"localhost/app", "localhost/app:latest", "localhost", "latest", true},
		{"localhost:5000/app@" DIGEST, "localhost:5000/app@" DIGEST, "localhost:5000",
	         DIGEST, true},
		{"127.0.0.1:40000/a:b", "127.0.0.1:40000/a:b", "127.0.0.1:40000", "b", true},
		{"[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000", "latest", true},
		{"10.0.0.1:5000/a", "10.0.0.1:5000/a:latest", "10.0.0.1:5000", "latest", false},
		{"localhost.evil.test/a", "localhost.evil.test/a:latest", "localhost.evil.test",
	         "latest", false},
		{"127.0.0.1.evil.test/a", "127.0.0.1.evil.test/a:latest", "127.0.0.1.evil.test",
	         "latest", false},
		{"app:1@" DIGEST, "docker.io/library/app:1@" DIGEST, "registry-1.docker.io", DIGEST,
	         false},
		{"a---b", "docker.io/library/a---b:latest", "registry-1.docker.io", "latest",
	         false},
		{"Host.Example/a", "Host.Example/a:latest", "Host.Example", "latest", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(reference_release) struct reference ref = REFERENCE_INIT;
		cleanup(reference_release) struct reference again = REFERENCE_INIT;
		cleanup_free char *canonical = NULL;
		cleanup_free char *twice = NULL;

		if (reference_parse(cases[i].text, &ref, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.text);
		canonical = reference_text(&ref);
		assert_string_equal(canonical, cases[i].canonical);
		assert_string_equal(reference_api_host(&ref), cases[i].api_host);
		assert_string_equal(reference_manifest(&ref), cases[i].manifest);
		assert_int_equal(reference_is_loopback(&ref), cases[i].is_loopback);
		assert_int_equal(reference_parse(canonical, &again, &err), 0);
		twice = reference_text(&again);
		assert_string_equal(twice, canonical);
	}
}

static void malformed_references_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"/app",
		"app/",
		"a//b",
		"Alpine",
		"app:",
		"app:-x",
		"app:a/b",
		"app:a b",
		"app@",
		"app@sha256:abc",
		"app@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"app@md5:0123",
		"a..b",
		"a___b",
		"-a",
		"a-",
		"a._b",
		"host:port/app",
		"host:0/app",
		"host:65536/app",
		"-host.test/app",
		"ho_st.test/app",
		"host..test/app",
		"[::1/app",
		"[zz]:5000/app",
		"http://host.test/app",
		"https://docker.io/app",
		"user@host.test/app",
		"../app",
		"app\n",
		"caf\xc3\xa9",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(reference_release) struct reference ref = REFERENCE_INIT;

		if (reference_parse(texts[i], &ref, &err) == 0)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_null(ref.repository);
	}
}

static void long_references_are_refused(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(reference_release) struct reference ref = REFERENCE_INIT;
	char text[REFERENCE_MAX + 2] = {0};

	memset(text, 'a', REFERENCE_MAX + 1);
	assert_int_equal(reference_parse(text, &ref, &err), -1);
	text[REFERENCE_MAX] = '\0';
	assert_int_equal(reference_parse(text, &ref, &err), 0);
}

static void local_names_never_name_a_registry(void **state)
{
	static const char *const good[] = {"demo-base", "shop/web", "shop/web:built", "a.b",
	                                   "a:B.1"};
	static const char *const bad[] = {"",     "Demo", "localhost/app", "host.test/app",
	                                  "a b",  "a/",   "demo:",         ("demo@" DIGEST),
	                                  "../x", ".",    "a:b:c",         "a/b:c/d"};
	cleanup(error_release) struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (reference_check_local_name(good[i], &err) < 0)
			fail_msg("%s: %s", good[i], err.text);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (reference_check_local_name(bad[i], &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_have_one_canonical_text),
		cmocka_unit_test(malformed_references_are_refused),
		cmocka_unit_test(long_references_are_refused),
		cmocka_unit_test(local_names_never_name_a_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
