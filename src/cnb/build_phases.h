/*
 * build_phases - the five phases of a build, each with its mounts, flags and errors.
 *
 * analyze, detect, restore, build, export: one table.  Only detect and build run
 * programs of buildpacks; they see the source, the platform's variables and the network, not the
 * cache and not the images.  Platform specification, "Operations".
 */
#pragma once

#include "cnb/phase_run.h"
#include "cnb/scratch.h"

struct build_request;

struct build_phases {
	const struct build_request *request;
	const struct cnb_events *events;
	const struct store *store;
	const struct image *builder;
	const struct owner *owner;
	const struct scratch *scratch;
	const char *platform_api;
};

int build_phases_run(const struct build_phases *phases, struct phase_runner *runner,
                     struct error *err);
