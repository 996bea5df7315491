/*
 * log_line - entries of services' logs as lines for people.
 *
 *	12:01:06.118 web  │ GET / 200 12ms
 *	12:01:07.412 api  ┃ Error: listen EADDRINUSE :::3000
 *	12:01:07.420 api  ■ exited code 1 (run 5, lived 0.8s)
 *	             api  … 18,204 lines (3.1 MB) evicted by size limit …
 *
 * Bytes of a service never reach the terminal as they are: colours (SGR) stay, other
 * escape sequences go, and of a line that was written over itself (a progress bar)
 * what was there last is shown.
 */
#pragma once

#include "base/array.h"
#include "cli/style.h"

struct log_entry;

struct log_view {
	struct style style;
	bool has_prefix; /* time and service */
	size_t name_width;
	ARRAY(char *) names; /* seen so far, in the order of their colours */
};

void log_view_release(struct log_view *view);
/* Makes room for a service's name, and gives it the next colour. */
void log_view_add_name(struct log_view *view, const char *name);

void log_view_render(struct log_view *view, const struct log_entry *entry, const char *service,
                     struct strbuf *out);
/* One line of any program: safe, but for its colours. */
void log_line_safe(struct strbuf *out, const struct style *style, const char *line, size_t len);
