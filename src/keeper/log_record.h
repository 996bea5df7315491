/*
 * log_record - the format of a service's log, for those who write and read it.
 *
 * A log is a folder of segments, each named by the seq of its first record
 * ("00000000000000000001.seg") and holding records back to back:
 *
 *   magic u32 | len u32 | seq u64 | pos u64 | mono_ns i64 | real_ns i64 | run u32
 *   boot u32 | stream u8 | flags u8 | lines - 1 u16 | sum u32 | len bytes | size u32
 *
 * in host byte order.  Bytes are as written, newline included; a record holds a line,
 * or several whole ones that came together.  Each line has a seq: the record's is its
 * first line's.  An event is one, of `key=value` lines.  `pos` counts what the service
 * had written before, stored or not: a jump of seq or pos says how much was evicted
 * or dropped, so stored + evicted + dropped is what was written.  `sum` is over all
 * before it and the bytes: a record that does not check is torn, the log ends there.
 * `size`, the whole record's, is for reading backwards.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_stream { LOG_OUT = 1, LOG_ERR = 2, LOG_EVENT = 3 };

/* Flags, of a record that is one line or less. */
#define LOG_CONT    1u /* the line goes on in the next record of this stream */
#define LOG_PARTIAL 2u /* the stream ended here, without a newline */

#define LOG_RECORD_HEAD     56
#define LOG_RECORD_OVERHEAD (LOG_RECORD_HEAD + 4)
#define LOG_RECORD_MAX_DATA (64UL * 1024)
#define LOG_RECORD_MAX      (LOG_RECORD_MAX_DATA + LOG_RECORD_OVERHEAD)

struct log_record {
	uint64_t seq;
	uint64_t pos;
	int64_t mono_ns, real_ns;
	uint32_t run;
	uint32_t boot; /* mono_ns are of one clock in records that have the same */
	enum log_stream stream;
	unsigned int flags;
	uint32_t lines; /* 1 for an event and for a piece of a line */
	const char *data;
	size_t len;
};

/* Writes the record; `out` has room for len + LOG_RECORD_OVERHEAD.  Returns its size. */
size_t log_record_encode(const struct log_record *record, char *out);

/* What a record has before its bytes, and after them. */
struct log_record_frame {
	char head[LOG_RECORD_HEAD];
	char size[LOG_RECORD_OVERHEAD - LOG_RECORD_HEAD];
};
void log_record_frame(const struct log_record *record, struct log_record_frame *ret);

/*
 * Reads the record at the start of `buf`; data points into it.  Returns its size,
 * 0 when more bytes are needed, -1 when this is no record.
 */
long log_record_decode(const char *buf, size_t len, struct log_record *ret);

/* What stands for a boot: proc_boot_id()'s text as a number. */
uint32_t log_record_boot(const char *boot_id);

/* The size of the record that ends before buf + len, from its last 4 bytes; 0: nonsense. */
size_t log_record_size_before(const char *buf, size_t len);

/* The lines of a service's output: its newlines, and what follows the last of them. */
uint32_t log_record_count_lines(const char *data, size_t len);

/* File names of segments. */
#define LOG_SEGMENT_NAME_SIZE 25
void log_segment_name(uint64_t first_seq, char out[LOG_SEGMENT_NAME_SIZE]);
/* False when the name is not one of a segment. */
bool log_segment_parse(const char *name, uint64_t *ret_first_seq);

/*
 * Events.  The first line is event=<name>:
 *   start    pid, argv0
 *   adopt    pid: the keeper was lost, and another took over
 *   fail     errno, text: the program could not be executed
 *   stop     a stop was asked for
 *   drop     records, lines, bytes, errno: not stored, the disk refused them (records are
 *            seqs, lines those of the service among them)
 *   exit     code (-1: signal), signal (both: not known), killed, killed_count, requested,
 *            run_ms
 */
