/*
 * progress - follows a long operation on stderr, and keeps what it came to.
 *
 * Fed with the events of an NDJSON answer.  On a terminal it keeps a live region,
 * a row a service; elsewhere it writes a line for each change and a sign of life
 * every ten seconds.  With --json events go to stdout as they are.
 *
 * Events: docs/openapi.yaml.  Blocks: only in writing.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "base/str.h"

struct cli;
struct error;

#define PROGRESS_TAIL 20 /* log lines kept of each row, for a failure */

struct progress_row {
	char *name;
	char *state; /* of the service, or NULL */
	char *phase; /* of what is being done for it, or NULL */
	char *text;  /* the last useful line, or NULL */
	bool is_ready, is_over;
	int64_t since_ms, took_ms;
	struct strv tail;
};

struct progress {
	struct cli *cli;
	const char *label; /* the row of events that name no service: "pull" */
	ARRAY(struct progress_row) rows;
	int64_t begun_ms, spoken_ms;
	unsigned frame;
	json_t *images; /* "image" events: what became of each service's image */
	json_t *result; /* NULL until the end */
	/* Called with a result that is ok, before the connection is closed; or NULL. */
	int (*on_result)(const json_t *result, void *data, struct error *err);
	void *data; /* for it */
	/* As in client_watch, with its own data; or NULL. */
	int (*on_also)(void *data, struct error *err);
	int also_fd;
	void *also_data;
	/* Called with each event besides; or NULL. */
	int (*on_event)(const json_t *event, void *data, struct error *err);
};

void progress_init(struct progress *progress, struct cli *cli, const char *label);
void progress_release(struct progress *progress);

/*
 * Does a request and follows it to its result.  0 when the result is ok; otherwise -1
 * with the error of the result, of the request, or ERR_INTERRUPTED after Ctrl-C.
 */
int progress_run(struct progress *progress, const char *target, const json_t *body,
                 struct error *err);

/* Milliseconds since progress_init(). */
int64_t progress_elapsed_ms(const struct progress *progress);

/* The row of a service, NULL when nothing was heard of it. */
const struct progress_row *progress_find(const struct progress *progress, const char *name);

/* What a row's job said last, to stderr: shown when it failed. */
void progress_show_tails(const struct progress *progress);
