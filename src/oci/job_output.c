#include "oci/job_output.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void write_line(struct job_output *out, const json_t *event)
{
	/* Nobody reads any more: the job goes on, or is about to be killed. */
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf line = STRBUF_INIT;
	cleanup_free char *text = json_text(event);

	strbuf_adds(&line, text);
	strbuf_addch(&line, '\n');
	fd_write_all(out->fd, line.buf, line.len, &ignored);
}

void job_progress(struct job_output *out, const char *phase, const char *fmt, ...)
{
	cleanup_json json_t *event = json_object();
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	json_set_str(event, "event", "progress");
	json_set_str(event, "phase", phase);
	json_set_str(event, "text", text);
	write_line(out, event);
}

void job_log(struct job_output *out, const char *stream, const char *text, size_t len)
{
	cleanup_json json_t *event = json_object();
	cleanup_free char *copy = xstrndup(text, len);

	json_set_str(event, "event", "log");
	json_set_str(event, "stream", stream);
	json_set_str(event, "text", copy);
	write_line(out, event);
}

void job_result(struct job_output *out, const json_t *fields)
{
	cleanup_json json_t *event = json_object();

	json_set_str(event, "event", "result");
	json_set_bool(event, "ok", true);
	if (fields)
		json_object_update_missing(event, (json_t *)fields);
	write_line(out, event);
}

void job_failure(struct job_output *out, const struct error *failure)
{
	cleanup_json json_t *event = json_object();
	json_t *error = json_object();

	json_set_str(error, "code", error_code_name(failure->code));
	json_set_str(error, "text", failure->text ? failure->text : "failed");
	json_set_str(error, "hint", failure->hint);
	json_set_str(event, "event", "result");
	json_set_bool(event, "ok", false);
	json_object_set_new(event, "error", error);
	write_line(out, event);
}
