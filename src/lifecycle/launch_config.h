/*
 * launch_config - what an image starts: processes, labels and slices of all buildpacks.
 *
 * Gathered from each buildpack's launch.toml by the build phase, written to
 * <layers>/config/metadata.toml, read by the exporter and the launcher.
 */
#pragma once

#include "base/json.h"
#include "lifecycle/group.h"

struct buildpack;
struct error;

struct launch_config {
	json_t *processes; /* [{type, command: [], args: [], direct, buildpack-id, working-dir?}] */
	json_t *labels;    /* [{key, value}] */
	json_t *slices;    /* [{paths: []}] */
	char *default_type; /* or NULL */
};

void launch_config_init(struct launch_config *config);
void launch_config_release(struct launch_config *config);

/* Adds <buildpack layers>/launch.toml, where there is one; a later process of a type wins. */
int launch_config_add(struct launch_config *config, const struct buildpack *buildpack,
                      const char *buildpack_layers, struct error *err);

int launch_config_write(const struct launch_config *config, const char *layers,
                        const struct group *group, struct error *err);
