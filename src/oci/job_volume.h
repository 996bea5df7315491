/*
 * job_volume - the jobs of named volumes.
 */
#pragma once

#include "oci/job_output.h"

/*
 *   volume-list    volumes (the folder of all of them)
 *                  -> volumes: [{project, name, path, created}]
 *   volume-remove  volumes, project (its id), name, containers -> name
 */
#define VOLUME_JOB_COUNT 2
extern const struct job volume_jobs[VOLUME_JOB_COUNT];
