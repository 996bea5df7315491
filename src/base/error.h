/*
 * error - one failure: what happened, and what the user can do about it.
 *
 * A function that can fail takes `struct error *err` last, never NULL, and
 * returns -1 after filling it.  The value lives on the caller's stack:
 * `cleanup(error_release) struct error err = ERROR_INIT;`.
 *
 * `code` is an errno value or one of enum error_class; the CLI turns it into an
 * exit code.  Nothing here prints.
 */
#pragma once

#include "base/attrs.h"

/* Failures that errno has no name for; numbers are above every errno. */
enum error_class {
	ERR_FAILED = 1000, /* an operation or a service failed */
	ERR_USAGE,         /* wrong command line */
	ERR_CONFIG,        /* wrong configuration; see diagnostics where there are any */
	ERR_DAEMON,        /* daemon unreachable or incompatible */
	ERR_NOT_FOUND,     /* no such project, service, image, builder */
	ERR_TIMEOUT,       /* did not happen in time */
	ERR_NOT_APPROVED,  /* blocked by policy */
	ERR_CONFLICT,      /* a port or another resource is taken */
	ERR_UNSUPPORTED,   /* understood, but not supported yet */
	ERR_INTERRUPTED,   /* the user pressed Ctrl-C */
};

struct error {
	int code;
	char *text; /* one line, no trailing dot */
	char *hint; /* what the user can do; NULL when there is nothing to say */
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		0                                                                                  \
	}

void error_release(struct error *err);

/* Replaces what is there.  Returns -1, so that `return error_set(…)` reads well. */
int error_set(struct error *err, int code, const char *fmt, ...) printf_like(3, 4);

/* As error_set(), with strerror(code) appended after ": ". */
int error_errno(struct error *err, int code, const char *fmt, ...) printf_like(3, 4);

/* Puts "fmt: " in front of the text.  Returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) printf_like(2, 3);

/* Sets the hint.  Returns -1. */
int error_hint(struct error *err, const char *fmt, ...) printf_like(2, 3);

/* Moves src into dst, which is released first.  Returns -1. */
int error_move(struct error *dst, struct error *src);

/* The exit code of the command line for an error code (docs: exit codes). */
int error_exit_code(int code);

/* "E404": what `locald explain` knows it by. */
const char *error_code_id(int code);

/* The stable name of an error code in JSON, such as "not_found", and back. */
const char *error_code_name(int code);
int error_code_from_name(const char *name);
