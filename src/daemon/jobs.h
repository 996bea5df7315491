/* jobs - `POST /v1/jobs`: runs one job child for a client and passes its lines on. */
#pragma once

#include "base/json.h"

struct daemon;
struct http_exchange;

/* request: {"kind", "params"}.  A client that goes away cancels its job. */
/* Runs a job whose parameters are the daemon's own. */
void jobs_start(struct daemon *daemon, struct http_exchange *x, const char *kind,
                const json_t *params);

void jobs_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request);
