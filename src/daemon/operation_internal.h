/* operation_internal - what operation.c and operation_up.c share. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/project.h"
#include "daemon/daemon.h"
#include "daemon/operation.h"
#include "net/http_server.h"

struct image_task;

/* A service that ran when the operation began. */
struct live_service {
	char *name;
	uint32_t run;
};

struct operation {
	struct daemon *daemon;
	struct http_exchange *x; /* NULL once the client has gone */
	char *project_id;
	int64_t started_ms;
	ARRAY(struct live_service) live_before;
	uint64_t supervised;  /* the supervisor's number for it; 0 before */
	struct strv services; /* as asked for; empty: all */

	/* of up and build */
	struct project_config *config;
	struct diagnostics diags;
	struct strv shell_env, host, container;
	bool no_deps, build_only, force_restart;
	struct strv images_wanted; /* services whose image is still to be made */
	json_t *images;            /* service -> digest */
	ARRAY(struct image_task *) tasks;
	struct error image_error; /* the first failure */
};

struct operation *operation_new(struct daemon *daemon, struct http_exchange *x,
                                const char *project_id);
void operation_free(struct operation *op);
/* The stream begins; from here errors are results. */
void operation_begin(struct operation *op);
/* Sends the result and frees the operation.  err NULL: it went well. */
void operation_finish(struct operation *op, const struct error *err, json_t *fields);
void operation_note_live(struct operation *op);
/* The callback for the supervisor: makes the result from what it says of each service. */
void operation_on_done(uint64_t number, const struct service_result *results, size_t count,
                       void *data);
/* -1 with ERR_NOT_FOUND and the nearest name when the project has no such service. */
int operation_check_names(const struct project *project, const struct strv *names,
                          struct error *err);
