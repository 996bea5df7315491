#include "base/error.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

static const struct code_name {
	int code;
	int exit_code;
	const char *name, *id;
} code_names[] = {
	{ERR_FAILED, 1, "failed", "E500"},
	{ERR_USAGE, 2, "usage", "E400"},
	{ERR_CONFIG, 2, "config", "E422"},
	{ERR_DAEMON, 3, "daemon", "E503"},
	{ERR_NOT_FOUND, 4, "not_found", "E404"},
	{ERR_TIMEOUT, 5, "timeout", "E408"},
	{ERR_NOT_APPROVED, 6, "not_approved", "E403"},
	{ERR_CONFLICT, 7, "conflict", "E409"},
	{ERR_UNSUPPORTED, 2, "unsupported", "E501"},
	{ERR_INTERRUPTED, 130, "interrupted", "E130"},
	{EADDRINUSE, 7, "address_in_use", "E409"},
	{ETIMEDOUT, 5, "timed_out", "E408"},
};

void error_release(struct error *err)
{
	free(err->text);
	free(err->hint);
	*err = (struct error)ERROR_INIT;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list args;

	error_release(err);
	err->code = code;
	va_start(args, fmt);
	err->text = xvasprintf(fmt, args);
	va_end(args);
	return -1;
}

int error_errno(struct error *err, int code, const char *fmt, ...)
{
	va_list args;
	cleanup_free char *what = NULL;

	va_start(args, fmt);
	what = xvasprintf(fmt, args);
	va_end(args);
	return error_set(err, code, "%s: %s", what, strerror(code));
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	va_list args;
	cleanup_free char *what = NULL;
	char *text;

	va_start(args, fmt);
	what = xvasprintf(fmt, args);
	va_end(args);
	text = xasprintf("%s: %s", what, err->text ? err->text : "unknown error");
	free(err->text);
	err->text = text;
	return -1;
}

int error_hint(struct error *err, const char *fmt, ...)
{
	va_list args;

	free(err->hint);
	va_start(args, fmt);
	err->hint = xvasprintf(fmt, args);
	va_end(args);
	return -1;
}

int error_move(struct error *dst, struct error *src)
{
	error_release(dst);
	*dst = *src;
	*src = (struct error)ERROR_INIT;
	return -1;
}

static const struct code_name *name_of(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(code_names); i++)
		if (code_names[i].code == code)
			return &code_names[i];
	return &code_names[0];
}

int error_exit_code(int code)
{
	return name_of(code)->exit_code;
}

const char *error_code_id(int code)
{
	return name_of(code)->id;
}

const char *error_code_name(int code)
{
	return name_of(code)->name;
}

int error_code_from_name(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(code_names); i++)
		if (str_eq(code_names[i].name, name))
			return code_names[i].code;
	return ERR_FAILED;
}
