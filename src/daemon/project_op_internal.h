/* project_op_internal - what project_op.c and project_op_up.c share. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/project.h"
#include "daemon/compose.h"
#include "daemon/daemon.h"
#include "daemon/project_op.h"
#include "net/http_server.h"

struct image_task;

/* A service that ran when the operation began. */
struct live_service {
	char *name;
	uint32_t run;
};

struct project_op {
	struct daemon *daemon;
	struct http_exchange *x; /* NULL once the client has gone, and for a reload */
	char *project_id;
	int64_t started_ms;
	ARRAY(struct live_service) live_before;
	uint64_t supervised;  /* the supervisor's number for it; 0 before */
	struct strv services; /* as asked for; empty: all */

	/* of up and build */
	struct project_config *config;
	struct config_inputs inputs; /* what it was read from … */
	char head[GIT_COMMIT_SIZE];  /* … and the commit at that time */
	struct diagnostics diags;
	struct up_context context;
	bool build_only, plan_only, force_restart, with_dependents;
	bool is_reload, has_applied;
	struct strv forced;        /* services to restart though unchanged; empty: all of them */
	struct strv images_wanted; /* services whose image is still to be made */
	struct strv excluded;      /* plans that a `stop` has taken out of it since */
	json_t *images;            /* service -> digest */
	json_t *image_defaults;    /* service -> what its image says, where it is known */
	json_t *moved;             /* ports that it found taken and changed */
	ARRAY(struct image_task *) tasks;
	struct error image_error; /* the first failure */

	/* of run: the service that is not started, but whose command line is made */
	char *run_service;
	json_t *run_request;
};

struct project_op *project_op_new(struct daemon *daemon, struct http_exchange *x,
                                  const char *project_id);
void project_op_free(struct project_op *op);
/* `status` shows it as building, whatever the supervisor says. */
void project_op_mark_building(struct project_op *op, const char *service, bool on);
/* The stream begins; from here errors are results. */
void project_op_begin(struct project_op *op);
/* Sends the result and frees the operation.  err NULL: it went well. */
void project_op_finish(struct project_op *op, const struct error *err, json_t *fields);
void project_op_note_live(struct project_op *op);

/* project_op_up.c */
struct compose_request project_op_compose_request(struct project_op *op);
void project_op_add_with_dependencies(const struct project_op *op, const char *name,
                                      struct strv *out);
int project_op_approve(struct project_op *op, struct error *err);
/* project_op_reload.c: images count as they were when the plans were made. */
void project_op_keep_images(struct project_op *op, const struct project *known);
/* project_op_plan.c: answers with what would be done. */
void project_op_plan(struct project_op *op);
/* The service is none of this operation's any more, and its image is not made for it. */
void project_op_drop_service(struct project_op *op, const char *service);
/* Makes the images that are wanted, then applies, or ends. */
void project_op_next_images(struct project_op *op);

/* The callback for the supervisor: makes the result from what it says of each service. */
void project_op_on_done(uint64_t number, const struct service_result *results, size_t count,
                        void *data);
