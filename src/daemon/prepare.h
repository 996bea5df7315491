/*
 * prepare - makes a container's bundle before each start, by the `bundle` job,
 * and tells the supervisor what to run: locald-shim with that bundle.  Before a
 * database starts, its data is made where there is none (daemon/managed.h).
 *
 * The image is there already: `up` builds or pulls it before it applies.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct error;
struct service_plan;
struct strv;

/* `locald-shim` with the options that all of its commands get. */
int prepare_runtime(const struct daemon *daemon, struct strv *argv, struct error *err);

/*
 * Parameters of the bundle job for the container `id`, whose directory `dir` is to become: those
 * of `bundle` (borrowed), and what all containers have.  The folder above is made.
 */
json_t *prepare_bundle(struct daemon *daemon, const json_t *bundle, const char *dir,
                       const char *hostname, const char *id, struct error *err) must_check;

/* Something is made in that directory, or waits for it. */
bool prepare_is_busy(const struct daemon *daemon, const char *dir);
/* What waited for the removal of that directory begins. */
void prepare_resume(struct daemon *daemon, const char *dir);
void prepare_begin(struct daemon *daemon, const char *project, const struct service_plan *plan,
                   uint64_t token);
/* The job is killed; what it made so far is undone. */
void prepare_cancel(struct daemon *daemon, uint64_t token);
/* Cancels all of them. */
void prepare_release(struct daemon *daemon);
