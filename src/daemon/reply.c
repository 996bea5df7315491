#include "daemon/reply.h"

#include "api/api_error.h"
#include "base/error.h"
#include "config/diag.h"
#include "net/http_server.h"

#include <string.h>

void reply_json(struct http_exchange *x, int status, json_t *object)
{
	cleanup_free char *text = json_text(object);

	json_decref(object);
	http_respond(x, status, "application/json", text, strlen(text));
}

static json_t *error_object(const struct error *err, const struct diagnostics *diags)
{
	cleanup_json json_t *list = diags && diags->items.len > 0 ? diag_to_json(diags) : NULL;

	return api_error_to_json(err, list);
}

void reply_error(struct http_exchange *x, const struct error *err, const struct diagnostics *diags)
{
	json_t *object = json_object();

	json_object_set_new(object, "error", error_object(err, diags));
	reply_json(x, api_error_status(err->code), object);
}

void reply_stream_begin(struct http_exchange *x)
{
	http_stream_begin(x, 200, "application/x-ndjson");
}

void reply_line(struct http_exchange *x, json_t *object)
{
	cleanup_free char *text = NULL;
	size_t len;

	if (x) {
		text = json_text(object);
		len = strlen(text);
		text[len] = '\n'; /* over the NUL: the length is given */
		http_stream_write(x, text, len + 1);
	}
	json_decref(object);
}

void reply_end(struct http_exchange *x, json_t *result)
{
	reply_line(x, result);
	if (x)
		http_stream_end(x);
}

json_t *reply_result(const struct error *err, const struct diagnostics *diags)
{
	json_t *result = json_object();

	json_set_str(result, "event", "result");
	json_set_bool(result, "ok", err == NULL);
	if (err)
		json_object_set_new(result, "error", error_object(err, diags));
	return result;
}
