/*
 * live - the configuration of projects that run, kept up with the files.
 *
 * For each project with something up the files it was read from are watched.  A
 * change is read again when the project's operations are over: what is broken
 * changes nothing and is kept for `status`; what is good is applied by
 * project_op_reload().  What came by a checkout (HEAD is another than when the
 * content was approved) is not applied: the project is blocked until the next
 * `up`, unless that very content was approved before.
 *
 * Rules: docs/architecture.md, "Live configuration".
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>

struct daemon;
struct diagnostics;
struct error;
struct project;

/* Its plans were just made from its files: from here on they are watched. */
void live_begin(struct daemon *daemon, const struct project *project);
/* Nothing of it is up any more, or it is not known any more. */
void live_end(struct daemon *daemon, const char *project_id);
void live_release(struct daemon *daemon);

/* Looks at the files soon. */
void live_check(struct daemon *daemon, const char *project_id);
/* An operation on the project is over: what waited for it is looked at. */
void live_operation_ended(struct daemon *daemon, const char *project_id);
/* The reload got no further than this. */
void live_failed(struct daemon *daemon, const char *project_id, const struct error *err,
                 const struct diagnostics *diags);
/* A reload that was called off had these still to start: the next one does it. */
void live_owes(struct daemon *daemon, const char *project_id, const struct strv *services);
/* They are to be down, whatever was owed.  Empty: all of them. */
void live_owes_not(struct daemon *daemon, const char *project_id, const struct strv *services);

/* May what was wanted of this project be started without anybody's asking? */
bool live_is_approved(struct daemon *daemon, const struct project *project);

/* Adds "config_errors" and "blocked", where there are any. */
void live_to_status(const struct daemon *daemon, const struct project *project, json_t *object);
/* Why files are looked at again and again; NULL: they are watched. */
const char *live_polls_because(const struct daemon *daemon);
