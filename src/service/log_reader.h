/*
 * log_reader - reads a service's log segments with a cursor, and follows them.
 *
 * Order is by sequence number.  What is not there any more is told in its place,
 * as a gap with counts: evicted by rotation, or dropped when the disk was full.
 * A cursor costs one buffer (LOG_READER_BUFFER), whatever the log's size and
 * however slow its reader.
 *
 * A cursor never waits: log_cursor_next() returns 0 at the end.  To follow, put
 * the descriptor of a log_watch into the loop (inotify; only where the kernel has no more
 * watches, once a second) and read on when it is readable.  log_merge joins several services by
 * time for display.
 * Format: keeper/log_record.h.
 */
#pragma once

#include "keeper/log_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct strbuf;
struct strv;

#define LOG_READER_BUFFER (128UL * 1024)

enum log_entry_kind { LOG_ENTRY_RECORD, LOG_ENTRY_EVICTED, LOG_ENTRY_DROPPED };

/* A line, an event, or a gap; valid until the cursor is used again. */
struct log_entry {
	enum log_entry_kind kind;
	/* Of a gap: seq is the first missing one, real_ns and mono_ns those of what follows. */
	uint64_t seq, pos;
	uint32_t run, boot;
	int64_t mono_ns, real_ns;
	uint64_t gap_records, gap_bytes;
	/* Of a record; data includes its newline when it has one. */
	enum log_stream stream;
	unsigned int flags; /* LOG_CONT, LOG_PARTIAL */
	const char *data;
	size_t len;
};

struct log_cursor;

/* A log that has no record yet is not an error. */
struct log_cursor *log_cursor_new(const char *log_dir, struct error *err);
void log_cursor_free(struct log_cursor *cursor);

/* Where to begin; without a call it is the oldest record. */
int log_cursor_seek_seq(struct log_cursor *cursor, uint64_t seq, struct error *err);
int log_cursor_seek_last(struct log_cursor *cursor, uint64_t lines, struct error *err);
/*
 * Near the first line of that time or run, at most one segment before it: a log of any
 * size costs one look at each segment.  When the clock was set back, a part of the log
 * that is out of order may be passed over.
 */
int log_cursor_seek_time(struct log_cursor *cursor, int64_t real_ns, struct error *err);
int log_cursor_seek_run(struct log_cursor *cursor, uint32_t run, struct error *err);

/*
 * From here on, records of output that do not contain the text (borrowed) are passed over
 * as a whole, but for those with escape sequences in them.  A record holds many lines.
 */
void log_cursor_want(struct log_cursor *cursor, const char *text);

/* 1 with an entry, 0 when there is no more now, -1. */
int log_cursor_next(struct log_cursor *cursor, struct log_entry *ret, struct error *err);
/* The seq that comes next: save it to go on later with log_cursor_seek_seq(). */
uint64_t log_cursor_seq(const struct log_cursor *cursor);

/* Tells that one of several logs has grown; put log_watch_fd() into the loop for reading. */
struct log_watch;

struct log_watch *log_watch_new(struct error *err);
void log_watch_free(struct log_watch *watch);
/* The folder is made if it is not there yet. */
int log_watch_add(struct log_watch *watch, const char *log_dir, struct error *err);
/* The same for a file that is there, of other text. */
int log_watch_add_file(struct log_watch *watch, const char *path, struct error *err);
int log_watch_fd(const struct log_watch *watch);
/* Empties the descriptor: call it, then read every cursor to its end. */
void log_watch_clear(struct log_watch *watch);

/* Several cursors as one, oldest entry first; between boots that is by wall clock. */
struct log_merge;

struct log_merge *log_merge_new(void);
void log_merge_free(struct log_merge *merge);
/* Takes the cursor; `tag` comes back with its entries. */
void log_merge_add(struct log_merge *merge, struct log_cursor *cursor, size_t tag);
int log_merge_next(struct log_merge *merge, struct log_entry *ret, size_t *ret_tag,
                   struct error *err);

/* An entry as a line for people, without newline: events and gaps become a sentence. */
void log_entry_text(const struct log_entry *entry, struct strbuf *out);

struct log_exit {
	int code;         /* -1 when ended by a signal, or not known */
	int signal;       /* 0 when it exited, or not known */
	bool killed;      /* SIGKILL was needed */
	int killed_count; /* for so many processes */
	bool requested;   /* a stop was asked for */
	int64_t run_ms, ago_ms;
};

/* The exit record of a run: 1 when there is one, 0 when not, -1. */
int log_find_exit(const char *log_dir, uint32_t run, struct log_exit *ret, struct error *err);
/* The newest run that has left a record; 0: none. */
int log_last_run(const char *log_dir, uint32_t *ret, struct error *err);
/* The last lines a run wrote (out and err), oldest first, each cut at 512 bytes. */
int log_last_lines(const char *log_dir, uint32_t run, size_t max, struct strv *ret,
                   struct error *err);
