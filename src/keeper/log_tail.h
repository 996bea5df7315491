/*
 * log_tail - the end of a run's output, read back from the log that is being written.
 *
 * Segments are mapped, not read, so this costs the keeper no memory of its own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct log_record;
struct log_writer;

typedef void log_tail_fn(const char *bytes, size_t len, void *data);

/*
 * Calls fn for each record of the service in this run, oldest first, that together are about
 * the last `max` bytes.  What is not flushed is not seen.
 */
void log_tail_read(const struct log_writer *log, size_t max, log_tail_fn *fn, void *data);

typedef void log_record_fn(const struct log_record *record, void *data);

/* Calls fn for each record of the service in this run from position `pos` on, oldest first. */
void log_tail_since(const struct log_writer *log, uint64_t pos, log_record_fn *fn, void *data);
