/*
 * job_output - the JSON lines that a job writes, and the table entry of a job.
 *
 *   {"event":"progress","phase":"unpack","text":"12 of 40 MiB"}
 *   {"event":"log","stream":"out","text":"…"}
 *   {"event":"result","ok":true,…}   or   {"event":"result","ok":false,"error":{…}}
 *
 * One write(2) a line, so that a job's children may write too.  Owns nothing.
 */
#pragma once

#include "base/attrs.h"

#include <jansson.h>

struct error;

struct job_output {
	int fd;
};

void job_progress(struct job_output *out, const char *phase, const char *fmt, ...)
	printf_like(3, 4);
/* Bytes that are not UTF-8 are shown as U+FFFD. */
void job_log(struct job_output *out, const char *stream, const char *text, size_t len);
/* The last line of a job that went well; `fields` (may be NULL) is merged into it. */
void job_result(struct job_output *out, const json_t *fields);
/* The last line of a job that failed. */
void job_failure(struct job_output *out, const struct error *failure);

/*
 * Does the work and calls job_result(), or returns -1 with an error; the
 * dispatcher then calls job_failure().
 */
typedef int job_fn(const json_t *params, struct job_output *out, struct error *err);

struct job {
	const char *name;
	job_fn *fn;
	const char *summary;
};
