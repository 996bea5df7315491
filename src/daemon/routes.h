/* routes - the proxy's table, made from what the supervisor says of every service. */
#pragma once

#include <stdint.h>

struct daemon;

/* A whole {"op":"routes",…} message; owned by the caller. */
char *routes_make(struct daemon *daemon, uint64_t version);
