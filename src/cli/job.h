/*
 * job - runs a job of the daemon (pull, import, build) from a command, with its
 * progress on stderr.  Ctrl-C cancels it, and the job undoes what it did.
 */
#pragma once

#include "base/json.h"

struct cli;
struct error;
struct strbuf;

/*
 * Takes params.  The result (owned) when the job succeeded; NULL otherwise, after what
 * the job said last was shown.
 */
json_t *job_run(struct cli *cli, const char *kind, const char *label, json_t *params,
                struct error *err) must_check;

/* Runs a job whose result has the array `key`; shows that, or with --json prints it. */
typedef int job_show_fn(struct cli *cli, const json_t *items, const char *key, struct error *err);
int job_list(struct cli *cli, const char *kind, const char *key, job_show_fn *show,
             struct error *err);

/* "✔ text" to stdout, unless --json told it. */
int job_done(struct cli *cli, const struct strbuf *text, struct error *err);
