/*
 * project - a project as the daemon knows it: its identity, the plans its
 * services run by, and what the plans do not say (URLs, container settings).
 *
 * What is needed to take up the services again after a restart of the daemon is
 * saved as run/projects/<id>.json (0600): plans with their environments belong
 * in the run directory, never in the state directory.
 */
#pragma once

#include "base/array.h"
#include "base/json.h"
#include "config/inputs.h"
#include "daemon/git_head.h"
#include "daemon/watch_rule.h"
#include "service/plan.h"

struct error;

/* Beside each plan, at the same index. */
struct service_extra {
	struct strv hosts; /* host names that the proxy routes to it, the main one first */
	json_t *bundle; /* container mode: parameters of the bundle job without paths; else NULL */
	json_t *data;   /* databases: parameters of the service-data job; else NULL */
	char *image;    /* container mode: the digest of its image, where it is known */
	json_t *image_defaults; /* … and what it says about running it; else NULL */
	struct strv warnings;   /* of its container, from when its bundle was made last */
	struct watch_rule watch;
	bool is_removed_after; /* a detached container, which goes with its end */
	char *made_of; /* JSON: what the fingerprint was made of, to say later what changed */
};

/* How the last `up` was typed: a reload does as if it were typed again. */
struct up_context {
	struct strv shell_env, host, container;
	struct strv profiles, formation; /* config/selection.h */
	bool no_deps;
};

struct project {
	char *id, *root, *name, *domain;
	ARRAY(struct service_plan) plans;
	ARRAY(struct service_extra) extras;
	struct strv building; /* services whose images are being made by an `up` */
	struct up_context context;
	struct config_inputs inputs; /* what the plans were made from: the approved content … */
	char head[GIT_COMMIT_SIZE];  /* … and the commit at which it was */
	/* Something of it was wanted, but not started again: the content is not approved. */
	bool is_held;
};

void up_context_release(struct up_context *context);
void up_context_copy(struct up_context *dst, const struct up_context *src);

struct project *project_new(const char *id, const char *root, const char *name, const char *domain);
void project_release_plans(struct project *project);
void project_destroy(struct project *project); /* NULL is fine */

/* "http://web.shop.localhost:8080"; NULL without a host name or a proxy (port 0). */
char *service_url(const struct service_extra *extra, int proxy_port);

/* Index of a service, or of its first replica; -1 when there is none. */
int project_index(const struct project *project, const char *service);

/* -1 with an error (ERR_NOT_FOUND, with the nearest name) when a name is not known. */
int service_names_check(const struct strv *names, const struct strv *known, const char *project,
                        struct error *err);
/* The same for a project's plans; the name of a service with replicas becomes theirs. */
int project_resolve(const struct project *project, struct strv *names, struct error *err);
int project_check_service(const struct project *project, const char *service, struct error *err);
/* The service of the configuration that a plan is for: `web` of `web-2`. */
const char *plan_service(const struct service_plan *plan);

/* All of it, and back.  A file that another version wrote is an error. */
json_t *project_to_json(const struct project *project);
struct project *project_from_json(const json_t *object, struct error *err);

/* Plans as JSON, without the fingerprint: what the fingerprint is made of. */
json_t *plan_to_json(const struct service_plan *plan);
