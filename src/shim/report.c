#include "shim/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"

#include <fcntl.h>

/* As crun and runc write it, for those who start us: {"msg","level","time"}. */
static void write_log(const struct shim *shim, const char *level, const char *text)
{
	cleanup(error_release) struct error failed = ERROR_INIT;
	cleanup_close int fd = open(shim->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	cleanup_free char *line = NULL;
	char now[CLOCK_TEXT_SIZE];

	clock_format_utc(clock_real_ns(), now);
	if (shim->is_log_json) {
		cleanup_json json_t *json = json_object();
		cleanup_free char *document = NULL;

		json_set_str(json, "msg", text);
		json_set_str(json, "level", level);
		json_set_str(json, "time", now);
		document = json_text(json);
		line = xasprintf("%s\n", document);
	} else {
		line = xasprintf("%s: %s: %s\n", now, level, text);
	}
	if (fd < 0 || fd_write_all(fd, line, strlen(line), &failed) < 0)
		fprintf(stderr, "locald-shim: --log %s: cannot write\n", shim->log);
}

void report_error(const struct shim *shim, const struct error *err)
{
	if (shim->log)
		write_log(shim, "error", err->text);
	fprintf(stderr, "locald-shim: %s\n", err->text);
	if (err->hint)
		fprintf(stderr, "locald-shim: hint: %s\n", err->hint);
}

void report_warning(const struct shim *shim, const char *text)
{
	if (shim->log)
		write_log(shim, "warning", text);
	else
		fprintf(stderr, "locald-shim: warning: %s\n", text);
}

void report_unknown_caps(const struct shim *shim, const struct strv *names)
{
	for (size_t i = 0; i < names->len; i++) {
		cleanup_free char *text = xasprintf(
			"process.capabilities: \"%s\" is not a capability", names->items[i]);

		report_warning(shim, text);
	}
}
