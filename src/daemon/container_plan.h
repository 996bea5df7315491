/*
 * container_plan - what the plan of a service says differently in a container:
 * its health and stop commands run inside, and its image has its own ideas of
 * both, which hold where the configuration says nothing.
 *
 * Pure but for the look-up of the runtime's program and of volumes' sources.
 */
#pragma once

#include "daemon/compose.h"

struct service_plan;

/* "locald-shim --root DIR": what every command of the runtime begins with. */
int container_runtime(const struct paths *paths, struct strv *argv, struct error *err);

/* What the runtime noted about the end of a service's container; NULL: nothing. */
char *container_reason(const struct paths *paths, const char *project,
                       const char *service) must_check;

/* The name of a service's container for the runtime. */
char *container_id(const char *project, const char *service) must_check;

/* Over a plan that was filled as for the host. */
int container_plan_adapt(const struct compose_request *request,
                         const struct service_config *service, struct service_plan *plan,
                         struct error *err);

/* Where the sources of volumes are looked up. */
struct container_place {
	const struct paths *paths;
	const char *project_id;
	const char *root; /* of ./paths */
	const char *home; /* of ~/paths; may be NULL */
};

/* As the bundle job takes it; NULL with an error when a source cannot be had. */
json_t *container_volume_mount(const struct container_place *place,
                               const struct volume_config *volume, struct error *err) must_check;

/*
 * Adds mounts and limits to the parameters of the bundle job; -1 with a diagnostic at the
 * volume whose source is not there, or leads out of the project.
 */
int container_plan_bundle(const struct compose_request *request,
                          const struct service_config *service, json_t *bundle,
                          struct diagnostics *diags, struct error *err);

/*
 * An image that buildpacks built is entered through its launcher, so that their environment
 * is there.  Adds that to argv; nothing for other images.
 */
void container_launcher(const json_t *image_defaults, struct strv *argv);
