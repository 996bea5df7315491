#include "fixture.h"

#include "base/error.h"
#include "base/str.h"
#include "oci/image_defaults.h"

#include <signal.h>

static json_t *defaults_of(const char *settings)
{
	cleanup_free char *text = xasprintf("{\"config\":%s}", settings);
	struct image image = IMAGE_INIT;
	json_t *value;

	image.config = json_loads(text, 0, NULL);
	assert_non_null(image.config);
	value = image_defaults_new(&image);
	image_release(&image);
	return value;
}

static void test_signals(void **state)
{
	assert_int_equal(image_signal_number("SIGQUIT"), SIGQUIT);
	assert_int_equal(image_signal_number("QUIT"), SIGQUIT);
	assert_int_equal(image_signal_number("3"), 3);
	assert_int_equal(image_signal_number("SIGRTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(image_signal_number("RTMAX-1"), SIGRTMAX - 1);
	assert_int_equal(image_signal_number("SIGRTMIN+999"), 0);
	assert_int_equal(image_signal_number("0"), 0);
	assert_int_equal(image_signal_number("-9"), 0);
	assert_int_equal(image_signal_number("SIGNOTHING"), 0);
	assert_int_equal(image_signal_number(""), 0);
}

static void test_a_healthcheck(void **state)
{
	cleanup_json json_t *value = defaults_of(
		"{\"StopSignal\":\"SIGINT\",\"Healthcheck\":{\"Test\":[\"CMD\",\"ready\",\"-q\"],"
		"\"Interval\":5000000000,\"Timeout\":2000000,\"StartPeriod\":1,"
		"\"Retries\":7}}");
	const json_t *check = json_object_get(value, "healthcheck");
	const json_t *argv = json_object_get(check, "argv");

	assert_int_equal(json_get_int(value, "stop_signal", 0), SIGINT);
	assert_int_equal(json_array_size(argv), 2);
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "-q");
	assert_int_equal(json_get_int(check, "interval_ms", 0), 5000);
	assert_int_equal(json_get_int(check, "timeout_ms", 0), 2);
	assert_int_equal(json_get_int(check, "start_period_ms", -1), 0);
	assert_int_equal(json_get_int(check, "retries", 0), 7);
}

static void test_a_shell(void **state)
{
	cleanup_json json_t *plain =
		defaults_of("{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"exit 0\"]}}");
	cleanup_json json_t *other =
		defaults_of("{\"Shell\":[\"/bin/"
	                    "bash\",\"-ec\"],\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}");
	const json_t *argv = json_object_get(json_object_get(plain, "healthcheck"), "argv");

	assert_string_equal(json_string_value(json_array_get(argv, 0)), "/bin/sh");
	assert_string_equal(json_string_value(json_array_get(argv, 2)), "exit 0");
	assert_int_equal(json_get_int(json_object_get(plain, "healthcheck"), "interval_ms", 0),
	                 30000);
	argv = json_object_get(json_object_get(other, "healthcheck"), "argv");
	assert_string_equal(json_string_value(json_array_get(argv, 1)), "-ec");
}

static void test_nothing_to_say(void **state)
{
	static const char *const silent[] = {
		"{}",
		"null",
		"{\"Healthcheck\":null,\"StopSignal\":\"\"}",
		"{\"Healthcheck\":{\"Test\":[\"NONE\"]}}",
		"{\"Healthcheck\":{\"Test\":[\"CMD\"]}}",
		"{\"Healthcheck\":{\"Test\":\"CMD true\"}}",
		"{\"Healthcheck\":{\"Test\":[\"CMD\",7]}}",
		"{\"Healthcheck\":{\"Test\":[\"RUN\",\"true\"]}}",
		"{\"Healthcheck\":7,\"StopSignal\":9}",
	};

	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		cleanup_json json_t *value = defaults_of(silent[i]);

		assert_int_equal(json_object_size(value), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_a_healthcheck),
		cmocka_unit_test(test_a_shell),
		cmocka_unit_test(test_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
