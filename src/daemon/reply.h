/* reply - answers of the control API: JSON objects, errors, and NDJSON lines. */
#pragma once

#include "base/json.h"

struct diagnostics;
struct error;
struct http_exchange;

/* Takes the object. */
void reply_json(struct http_exchange *x, int status, json_t *object);
/* The status follows from the code; diags may be NULL. */
void reply_error(struct http_exchange *x, const struct error *err, const struct diagnostics *diags);
void reply_stream_begin(struct http_exchange *x);
/* One line; takes the object.  x may be NULL (the client has gone): then nothing is sent. */
void reply_line(struct http_exchange *x, json_t *object);
/* The last line of a stream, as reply_line(). */
void reply_end(struct http_exchange *x, json_t *result);
/* {"event":"result","ok":…}: with an error when err is not NULL. */
json_t *reply_result(const struct error *err, const struct diagnostics *diags);
