/* shutdown - `POST /v1/shutdown`: the daemon leaves, after its services when asked. */
#pragma once

#include <stdbool.h>

struct daemon;
struct http_exchange;

void shutdown_begin(struct daemon *daemon, struct http_exchange *x, bool stop_services);
