/* logs - `GET /v1/logs`: records of several services, merged, once or followed. */
#pragma once

struct daemon;
struct http_exchange;

/* target: "/v1/logs?root=…&service=…&n=…&follow=1" */
void logs_begin(struct daemon *daemon, struct http_exchange *x, const char *target);
