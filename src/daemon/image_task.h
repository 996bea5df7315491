/*
 * image_task - gets the image of one service into the store: built by
 * buildpacks, or pulled when it is not there.
 *
 * Owns its job; image_task_cancel() kills it and no callback comes any more.
 */
#pragma once

#include "base/json.h"
#include "daemon/compose.h"

struct daemon;
struct error;
struct image_task;

struct image_task_events {
	/* A progress or log event of the job, with "service" added; borrowed. */
	void (*on_line)(json_t *line, void *data);
	/* Once; the task is freed after it.  err is NULL when the image is there. */
	void (*on_done)(const char *service, const json_t *result, const struct error *err,
	                void *data);
};

/* -1 with err (and a diagnostic when a place is known) when it cannot begin. */
struct image_task *image_task_start(struct daemon *daemon, const struct compose_request *request,
                                    const struct service_config *service,
                                    const struct image_task_events *events, void *data,
                                    struct diagnostics *diags, struct error *err);
void image_task_cancel(struct image_task *task);
const char *image_task_service(const struct image_task *task);
