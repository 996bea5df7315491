/*
 * log_match - waits until a service writes a line that matches a pattern: the
 * implementation behind the log_match_* functions of world.h.
 *
 * A POSIX extended regular expression is tried on each complete line of one run,
 * without its colours.  Reading goes on when inotify says that the log has grown;
 * only where no watch can be had it is looked at once a second.  All matches
 * share one watch, which goes with the last of them.  A long log is read piece by
 * piece, so that the loop is not held up.
 */
#pragma once

#include "base/array.h"
#include "service/world.h"

struct loop;
struct log_watch;
struct loop_source;

/* What all matches of a world share.  Zeroed but for loop. */
struct log_matcher {
	struct loop *loop;
	struct log_watch *watch; /* NULL: none needed, or none to be had */
	struct loop_source *source, *poll;
	ARRAY(struct log_match *) matches;
};

/* The matcher must outlive it.  fn comes from the loop, once; then only freeing is left. */
struct log_match *log_match_new(struct log_matcher *matcher, const char *log_dir, uint32_t run,
                                const char *pattern, log_match_fn *fn, void *data);
void log_match_free(struct log_match *match);
