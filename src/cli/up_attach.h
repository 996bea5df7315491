/*
 * up_attach - `locald up --attach`: the same as `up`, then the logs, until Ctrl-C, `d`, or
 * the end of every service.
 *
 * Ctrl-C stops what this command started and leaves what ran before; a second one kills
 * it.  Blocks.
 */
#pragma once

#include "base/json.h"

struct cli;
struct error;

/* `body` is the request of `up`; argv names the services, none: all.  Returns the exit code. */
int up_attach(struct cli *cli, const json_t *body, int argc, char **argv, struct error *err);
