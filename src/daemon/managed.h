/*
 * managed - databases that locald knows how to run (type "postgres", "redis"),
 * with the programs that are installed on this machine.
 *
 * A kind is a row of one table: its program, how it is started, made and asked,
 * and the URL it has.  Its plan is an ordinary one on the host with a step
 * before each start, the job `service-data`, which makes the data once.  Data is
 * in data/services/<project id>/<service> and stays until it is reset.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/project.h"
#include "oci/job_output.h"
#include "service/plan.h"

struct daemon;
struct error;
struct http_exchange;

bool managed_is_kind(enum service_type type);

struct managed_request {
	const struct service_config *service;
	const char *data, *run;         /* folders of this service; they need not exist */
	const struct strv *environment; /* its PATH is where programs are looked for */
	int port;
};

/*
 * Fills argv, the stop signal and the probe where the configuration does not say
 * otherwise.  *ret_prepare are the parameters of its job.
 */
int managed_plan(const struct managed_request *request, struct service_plan *plan,
                 json_t **ret_prepare, struct diagnostics *diags, struct error *err);

/* "url", "user" or "password" of a managed service; NULL for other types. */
char *managed_detail(enum service_type type, const char *name, const char *host,
                     int port) must_check;

/*
 * Jobs, as in oci/job_image.h:
 *   service-data   kind, program, bin, version, data, run -> made (is the data new?)
 *   service-reset  data -> (nothing)
 */
#define MANAGED_JOB_COUNT 2
extern const struct job managed_jobs[MANAGED_JOB_COUNT];

/* Deletes the data of one service that does not run: params root, service. */
void managed_reset(struct daemon *daemon, struct http_exchange *x, const json_t *params);
