#include "api/api_error.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>

json_t *api_error_to_json(const struct error *err, json_t *diagnostics)
{
	json_t *object = json_object();

	json_set_str(object, "code", error_code_name(err->code));
	json_set_str(object, "id", error_code_id(err->code));
	json_set_str(object, "text", err->text ? err->text : "unknown error");
	if (err->hint)
		json_set_str(object, "hint", err->hint);
	if (diagnostics && json_array_size(diagnostics) > 0)
		json_object_set(object, "diagnostics", diagnostics);
	return object;
}

int api_error_from_json(const json_t *object, struct error *err)
{
	const char *hint = json_get_str(object, "hint", NULL);

	error_set(err, error_code_from_name(json_get_str(object, "code", NULL)), "%s",
	          json_get_str(object, "text", "the daemon gave no reason"));
	if (!str_empty(hint))
		error_hint(err, "%s", hint);
	return -1;
}

int api_error_status(int code)
{
	switch (code) {
	case ERR_USAGE:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_NOT_APPROVED:
	case EACCES:
		return 403;
	case ERR_CONFLICT:
	case EADDRINUSE:
		return 409;
	case ERR_CONFIG:
		return 422;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_TIMEOUT:
		return 504;
	default:
		return 500;
	}
}
