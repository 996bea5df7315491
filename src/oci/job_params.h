/*
 * job_params - reads the lists and pairs of a job's parameters.
 *
 * Everything borrowed points into the parameters.  A wrong type is ERR_USAGE and
 * names the key.
 */
#pragma once

#include "base/json.h"
#include "oci/runtime_config.h"

int job_params_list(const json_t *params, const char *key, struct strv *out, struct error *err);
/* {"NAME": "value"} as "NAME=value". */
int job_params_pairs(const json_t *params, const char *key, struct strv *out, struct error *err);
/* All of a container but its store and image; see job_image.h, "bundle". */
int job_params_container(const json_t *params, struct container_request *ret, struct error *err);
