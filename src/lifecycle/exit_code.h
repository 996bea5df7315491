/*
 * exit_code - the exit codes of the Platform specification, carried by errors.
 *
 * A failure with a code of its own is made by exit_error(); every other one ends
 * the phase with that phase's general code.
 */
#pragma once

#include "base/attrs.h"
#include "base/error.h"

enum {
	EXIT_BAD_FLAG = 2,
	EXIT_BAD_ARGS = 3,
	EXIT_PLATFORM_API = 11,
	EXIT_BUILDPACK_API = 12,
	EXIT_NOT_DETECTED = 20,
	EXIT_DETECT_BROKEN = 21, /* nothing detected, and some buildpack could not say */
	EXIT_DETECT = 22,
	EXIT_ANALYZE = 32,
	EXIT_RESTORE = 42,
	EXIT_BUILDPACK_FAILED = 51,
	EXIT_BUILD = 52,
	EXIT_EXPORT = 62,
	EXIT_LAUNCH = 82,
};

#define EXIT_ERROR_BASE 3000 /* above every errno and enum error_class */

#define exit_error(err, exit_code, ...) error_set((err), EXIT_ERROR_BASE + (exit_code), __VA_ARGS__)

static inline int exit_code_of(const struct error *err, int general)
{
	return err->code >= EXIT_ERROR_BASE ? err->code - EXIT_ERROR_BASE : general;
}
