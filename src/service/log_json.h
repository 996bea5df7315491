/*
 * log_json - entries of a log as JSON, one object a line; lossless.
 *
 * `text` is the line without its newline, or `base64` when it is not UTF-8.  It
 * ended with a newline unless `cont` (the line goes on in the next record of this
 * stream) or `partial` (the stream ended there) is true.
 * Format: LogRecord and LogGap of docs/openapi.yaml.
 */
#pragma once

struct log_entry;
struct strbuf;

/* Appends the object and a newline. */
void log_json_add(const struct log_entry *entry, const char *service, struct strbuf *out);
