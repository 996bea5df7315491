/*
 * job_build - the jobs of this room: builder-create, builder-list and build.
 *
 * Each reads its parameters as one JSON object (all paths absolute):
 *   builder-create  store, config (builder.toml), name, lifecycle, launcher (programs)
 *                   -> name, digest, buildpacks
 *   builder-list    store -> builders: [{name, digest, description, buildpacks: [{id, version}],
 *                   run_image}]
 *   build           store, cache, shim, builder, source, image; optional run_image, process,
 *                   env {NAME: value}, exclude [pattern], buildpacks [id], no_cache, force, verbose
 *                   -> image, digest, hit, reason, duration_ms, processes: [{type, command,
 * default}]
 */
#pragma once

#include "oci/job_output.h"

#define CNB_JOB_COUNT 3
extern const struct job cnb_jobs[CNB_JOB_COUNT];
