/*
 * log_line - records of a service's log as lines for people.
 *
 *	12:01:06.118 web  │ GET / 200 12ms
 *	12:01:07.412 api  ┃ Error: listen EADDRINUSE :::3000
 *	12:01:07.420 api  ■ exited code 1 (run 5, lived 0.8s)
 *	             api  … 18,204 lines (3.1 MB) evicted by size limit …
 *
 * Bytes of a service never reach the terminal unescaped, but for `is_raw`, which
 * writes them as they were and leaves out everything else.
 * Input: LogRecord and LogGap of docs/openapi.yaml.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "cli/style.h"

struct error;

struct log_view {
	struct style style;
	bool has_prefix; /* time and service */
	bool is_raw;
	size_t name_width;
	ARRAY(char *) names; /* seen so far, in the order of their colours */
};

void log_view_release(struct log_view *view);
/* Makes room for a service's name, and gives it the next colour. */
void log_view_add_name(struct log_view *view, const char *name);

int log_view_render(struct log_view *view, const json_t *record, struct strbuf *out,
                    struct error *err);
