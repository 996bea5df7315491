/*
 * events - what a long operation of this room tells while it works.
 *
 * The library prints nothing: it calls these.  Every member may be NULL.  Texts
 * are borrowed for the call.
 */
#pragma once

#include "base/attrs.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct cnb_events {
	/* A phase begins ("detect", "build", …) or has something to say. */
	void (*progress)(const char *phase, const char *text, void *data);
	/* A phase ended well. */
	void (*done)(const char *phase, int64_t duration_ms, void *data);
	/* One line of a buildpack or of the lifecycle, without its newline; stream: "out" or "err".
	 */
	void (*log)(const char *stream, const char *text, size_t len, void *data);
	void *data;
};

void cnb_progress(const struct cnb_events *events, const char *phase, const char *fmt, ...)
	printf_like(3, 4);
void cnb_done(const struct cnb_events *events, const char *phase, int64_t duration_ms);
void cnb_log(const struct cnb_events *events, const char *stream, const char *text, size_t len);
