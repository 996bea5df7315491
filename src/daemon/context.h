/*
 * context - how to run a command beside a service that runs: with the environment
 * its process was started with and in its folder, or inside its container.
 */
#pragma once

struct daemon;
struct http_exchange;

/* GET /v1/context?root=…&service=… */
void context_reply(struct daemon *daemon, struct http_exchange *x, const char *target);
