/*
 * status_watch - `locald status --watch`: the table, drawn again when a service changes.
 *
 * Changes come as events; only CPU and MEM are asked for each WATCH_TICK_MS.
 */
#pragma once

#include "base/json.h"

struct cli;
struct error;
struct strbuf;

#define WATCH_TICK_MS 2000

/* Shows a status; what it appends is written by the caller. */
typedef int status_show_fn(struct cli *cli, json_t *status, struct strbuf *out, struct error *err);

/* Until Ctrl-C (ERR_INTERRUPTED) or an error. */
int status_watch(struct cli *cli, status_show_fn *show, struct error *err);

/* Gives each service its cpu_percent: since `before` (may be NULL), else since its start. */
void status_add_cpu(json_t *status, const json_t *before, int64_t ms_between);
