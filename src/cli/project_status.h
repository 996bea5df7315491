/*
 * project_status - the state of projects as JSON, whether or not a daemon runs.
 *
 * When none runs and no service waits to be found again, nothing runs: the
 * services are those of the project's files, all stopped, and "daemon" is null.
 */
#pragma once

#include "base/json.h"

struct cli;
struct error;

/* A status answer (docs/openapi.yaml) of the project at cli->root; NULL root: all projects. */
json_t *project_status(struct cli *cli, struct error *err) must_check;
