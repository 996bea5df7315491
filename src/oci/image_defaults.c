#include "oci/image_defaults.h"

#include "base/error.h"
#include "base/str.h"

#include <signal.h>

#define NS_PER_MS   1000000
#define DURATION_MS (24 * 3600 * 1000) /* what is longer is as good as this */

/* Docker's own, where the image does not say. */
#define INTERVAL_MS 30000
#define TIMEOUT_MS  30000
#define RETRIES     3
#define RETRIES_MAX 1000

static int64_t milliseconds(const json_t *check, const char *key, int64_t otherwise)
{
	int64_t ms = json_get_int(check, key, 0) / NS_PER_MS;

	if (ms <= 0)
		return otherwise;
	return ms < DURATION_MS ? ms : DURATION_MS;
}

/* ["CMD", arg…], ["CMD-SHELL", text]; nothing for the rest. */
static bool read_test(const struct image *image, const json_t *test, struct strv *argv)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strv_release) struct strv words = STRV_INIT;
	const json_t *shell = json_object_get(json_object_get(image->config, "config"), "Shell");
	bool is_shell;

	if (json_to_strv(test, "Test", &words, &ignored) < 0 || words.len < 2)
		return false;
	is_shell = str_eq(words.items[0], "CMD-SHELL");
	if (!is_shell && !str_eq(words.items[0], "CMD"))
		return false;
	if (is_shell &&
	    (!shell || json_to_strv(shell, "Shell", argv, &ignored) < 0 || argv->len == 0)) {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
	}
	for (size_t i = 1; i < words.len; i++)
		strv_add(argv, words.items[i]);
	return true;
}

static json_t *healthcheck(const struct image *image, const json_t *check)
{
	cleanup(strv_release) struct strv argv = STRV_INIT;
	int64_t retries = json_get_int(check, "Retries", 0);
	json_t *value;

	if (!read_test(image, json_object_get(check, "Test"), &argv))
		return NULL;
	value = json_object();
	json_object_set_new(value, "argv", json_from_strv(&argv));
	json_set_int(value, "interval_ms", milliseconds(check, "Interval", INTERVAL_MS));
	json_set_int(value, "timeout_ms", milliseconds(check, "Timeout", TIMEOUT_MS));
	json_set_int(value, "start_period_ms", milliseconds(check, "StartPeriod", 0));
	json_set_int(value, "retries",
	             retries < 1             ? RETRIES
	             : retries > RETRIES_MAX ? RETRIES_MAX
	                                     : retries);
	return value;
}

static int realtime_number(const char *text)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int64_t n = 0;

	if (str_starts(text, "RTMIN") && (!text[5] || text[5] == '+') &&
	    (!text[5] || str_to_int(text + 6, 0, SIGRTMAX - SIGRTMIN, &n, &ignored) == 0))
		return SIGRTMIN + (int)n;
	if (str_starts(text, "RTMAX") && (!text[5] || text[5] == '-') &&
	    (!text[5] || str_to_int(text + 6, 0, SIGRTMAX - SIGRTMIN, &n, &ignored) == 0))
		return SIGRTMAX - (int)n;
	return 0;
}

/* What buildpacks built has it, and a launcher at the place that their specification says. */
#define LABEL_BUILT "io.buildpacks.lifecycle.metadata"

int image_signal_number(const char *text)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int64_t n;

	if (str_to_int(text, 1, SIGRTMAX, &n, &ignored) == 0)
		return (int)n;
	if (str_starts(text, "SIG"))
		text += strlen("SIG");
	for (int signo = 1; signo < SIGSYS + 1; signo++)
		if (str_eq_null(sigabbrev_np(signo), text))
			return signo;
	return realtime_number(text);
}

json_t *image_defaults_new(const struct image *image)
{
	const json_t *settings = json_object_get(image->config, "config");
	int stop_signal = image_signal_number(json_get_str(settings, "StopSignal", ""));
	json_t *check = healthcheck(image, json_object_get(settings, "Healthcheck"));
	json_t *value = json_object();

	if (stop_signal > 0)
		json_set_int(value, "stop_signal", stop_signal);
	if (check)
		json_object_set_new(value, "healthcheck", check);
	if (image_label(image, LABEL_BUILT))
		json_set_bool(value, "launcher", true);
	return value;
}
