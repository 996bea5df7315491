/* log_options - what `locald logs` takes, and the filter that it means. */
#pragma once

#include "cli/option.h"
#include "service/log_query.h"

struct error;

struct log_options {
	bool follow, json, raw, no_prefix, system;
	bool ignore_case, invert, since_start;
	int lines; /* -1: not said */
	int context;
	const char *since, *until, *grep, *stream, *level, *run;
};

extern const struct option log_options_table[];
void log_options_defaults(void *options);

/* The filter borrows `pattern`, compiled when there is one: then regfree() it. */
int log_options_filter(const struct log_options *options, regex_t *pattern, struct log_filter *ret,
                       struct error *err);
