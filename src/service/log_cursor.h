/*
 * log_cursor - what log_cursor.c (reading on) and log_seek.c (where to begin) share.
 *
 * The buffer holds bytes of the open segment; `rest` points into it, so nothing is
 * read while it has lines.
 */
#pragma once

#include "base/array.h"
#include "service/log_reader.h"

struct log_cursor {
	int dir;
	ARRAY(uint64_t) segments; /* first seqs in order, as last listed */
	int64_t listed_change_ns; /* the folder's change time then; 0: list again */
	int fd;                   /* of the open segment; -1: none */
	uint64_t segment;
	uint64_t offset; /* in the file, of buf[start] */
	char *buf;
	size_t start, len; /* unread: buf[start..len) */
	uint64_t next_seq, next_pos;
	bool is_pos_known;
	const char *wanted;       /* borrowed; NULL: all */
	struct log_entry held[2]; /* gaps to be told before `rest` */
	size_t held_count, held_next;
	struct log_record rest; /* lines of a record not told yet; lines 0: none */
};

int log_cursor_list(struct log_cursor *cursor, struct error *err);
/* 1 when open, 0 when it has been evicted meanwhile. */
int log_cursor_open(struct log_cursor *cursor, uint64_t first_seq, struct error *err);
/* The segment that holds next_seq, or else the first after it: 1, or 0 when there is none. */
int log_cursor_enter(struct log_cursor *cursor, struct error *err);
/* The next whole record of the open segment: 1, or 0 at its end. */
int log_cursor_read(struct log_cursor *cursor, struct log_record *record, struct error *err);
void log_cursor_move(struct log_cursor *cursor, uint64_t offset);
