#include "config/volume.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_is_written_is_read(void **state)
{
	static const struct {
		const char *text, *source, *target;
		bool is_named, is_readonly, no_copy;
	} cases[] = {
		{"./data:/data", "./data", "/data", false, false, false},
		{"/srv:/srv:ro", "/srv", "/srv", false, true, false},
		{"~/x:/a//b/./c", "~/x", "/a/b/c", false, false, false},
		{".:/app:rw", ".", "/app", false, false, false},
		{"cache:/var/cache", "cache", "/var/cache", true, false, false},
		{"c.1_x-y:/c:ro,nocopy", "c.1_x-y", "/c", true, true, true},
		{"c:/processes", "c", "/processes", true, false, false},
		{"./a..b:/..c", "./a..b", "/..c", false, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(volume_config_release) struct volume_config volume = {0};
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(volume_parse(cases[i].text, &volume, &err), 0);
		assert_string_equal(volume.source, cases[i].source);
		assert_string_equal(volume.target, cases[i].target);
		assert_int_equal(volume.is_named, cases[i].is_named);
		assert_int_equal(volume.is_readonly, cases[i].is_readonly);
		assert_int_equal(volume.no_copy, cases[i].no_copy);
	}
}

static void what_is_wrong_is_refused(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"", "no target"},
		{"/data", "no target"},
		{":/data", "no source"},
		{"./data:", "not absolute"},
		{"./data:data", "not absolute"},
		{"../data:/data", "`..`"},
		{"./a/../../b:/data", "`..`"},
		{"/srv/..:/data", "`..`"},
		{"c:/data/..", "`..`"},
		{"c:/", "whole file system"},
		{"c:/.", "whole file system"},
		{"c:/proc", "/proc"},
		{"c:/sys/fs", "/sys"},
		{"c://dev/shm", "/dev"},
		{"a b:/data", "no name"},
		{"data/x:/data", "no name"},
		{"-c:/data", "no name"},
		{"c:/data:", "no option \"\""},
		{"c:/data:ro,", "no option \"\""},
		{"c:/data:r", "no option \"r\""},
		{"c:/data:ro:rw", "no option"},
		{"./c:/data:nocopy", "named volumes"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(volume_config_release) struct volume_config volume = {0};
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(volume_parse(cases[i].text, &volume, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.text, cases[i].told))
			fail_msg("%s: %s", cases[i].text, err.text);
	}
}

static void it_is_shown_as_it_was_written(void **state)
{
	static const char *const texts[] = {"./d:/d", "c:/c:ro", "c:/c:nocopy", "c:/c:ro,nocopy"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup(volume_config_release) struct volume_config volume = {0};
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup_free char *text = NULL;

		assert_int_equal(volume_parse(texts[i], &volume, &err), 0);
		text = volume_text(&volume);
		assert_string_equal(text, texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(it_is_shown_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
