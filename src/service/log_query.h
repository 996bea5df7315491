/*
 * log_query - the entries of several logs that somebody wants to see, in one order.
 *
 *	log_query_add() for each service, log_query_begin(), then log_query_next()
 *	until it says 0: the end for now.  To follow, watch the same folders
 *	(log_watch) and go on when they have grown.
 *
 * Merged oldest first, whatever the wall clock was set to; within a service by seq.  What is to
 * be the last N is counted first, then skipped to, so memory does not grow with N.
 * Lifecycle events are left out where a filter is about text (stream, level,
 * pattern); gaps are always told.  A line that says no level has that of the line
 * before it when it is indented, as stack traces are, else it is information.
 *
 * Blocks as long as the disk does; a filter may have to read all of a log.
 */
#pragma once

#include "service/log_level.h"
#include "service/log_reader.h"

#include <regex.h>

#define LOG_QUERY_ALL UINT64_MAX

struct log_filter {
	uint64_t last;              /* so many matching lines at most; LOG_QUERY_ALL */
	int64_t since_ns, until_ns; /* wall clock, both included; 0: no bound */
	enum log_stream stream;     /* 0: both, and events */
	enum log_level level;       /* this one and graver ones; LOG_LEVEL_UNKNOWN: all */
	const regex_t *pattern;     /* borrowed; NULL: none */
	const char *pattern_text;   /* its source, where case counts; borrowed; NULL: not known */
	bool is_inverted;           /* lines that the pattern does not match */
	unsigned int context;       /* lines to show before and after one that matches */
	int run;                    /* > 0: this one; -1: the one before the last, and so on */
	bool since_start;           /* the last run and what comes after it */
};

struct log_match {
	struct log_entry entry; /* valid until the query is used again */
	size_t tag;             /* log_query_add()'s, in order from 0 */
	bool is_apart;          /* with context: lines before this one were left out */
};

struct log_query;

/* The filter is copied. */
struct log_query *log_query_new(const struct log_filter *filter);
void log_query_free(struct log_query *query);
DEFINE_FREEP(log_query)

int log_query_add(struct log_query *query, const char *log_dir, struct error *err);
/* Once, after all are added. */
int log_query_begin(struct log_query *query, struct error *err);
/* 1 with an entry, 0 when there is no more now, -1. */
int log_query_next(struct log_query *query, struct log_match *ret, struct error *err);
