/*
 * compose - from a project's configuration to the plans of its services: ports
 * chosen, URLs made, environments expanded, modes decided.
 *
 * Reads env files, so it blocks on the disk; starts nothing and changes nothing
 * but the leases of the port pool.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/project.h"

struct error;
struct paths;
struct port_pool;
struct project;

struct compose_request {
	const struct project_config *config;
	const struct strv *shell_env;        /* where `up` was typed */
	const struct strv *host, *container; /* modes flipped for this run */
	const json_t *images; /* service -> digest of its image, for those in container mode */
	const json_t *image_defaults; /* service -> what its image says, see oci/image_defaults.h */
	const char *project_id;
	const char *self; /* this program: it serves sites */
	const struct paths *paths;
	struct port_pool *ports;
	json_t *moved; /* which ports were found taken and changed is added to it; NULL: not told */
	int proxy_port; /* 0: no proxy, no URLs */
	/* A service whose own port is in use, and the port that it gets instead; or NULL. */
	const char *moved_service;
	int moved_port;
	/* Is that service up, so that its port is rightly taken? */
	bool (*is_live)(const char *service, void *data);
	void *data;
};

/* The mode of a service in this run. */
enum service_mode compose_mode(const struct compose_request *request,
                               const struct service_config *service);

/* The name that the image of a service has in the store. */
char *compose_image_name(const struct compose_request *request,
                         const struct service_config *service) must_check;

/* Fills a project without plans with those of the configuration. */
int compose_plans(const struct compose_request *request, struct project *project,
                  struct diagnostics *diags, struct error *err);
