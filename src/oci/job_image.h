/*
 * job_image - the jobs of this room: images in and out of the store, bundles.
 */
#pragma once

#include "oci/job_output.h"

/*
 * Each reads its parameters as one JSON object (all paths absolute):
 *   image-import  store, path, name; optional env {NAME: value}, entrypoint [arg], cmd [arg],
 *                 user, working_dir, labels {NAME: value}
 *                 -> name, digest, bytes, skipped
 *   image-pull    store, reference; optional auth_file, ca_file, if_missing (then the reference
 *                 may be a name of the store, too)
 *                 -> name, digest, bytes, layers, present, defaults (oci/image_defaults.h)
 *   image-list    store -> images: [{name, digest, size, created, architecture, user,
 *                 entrypoint, cmd, working_dir, labels}]
 *   image-remove  store, name; optional containers (the directory whose grandchildren are
 *                 container directories; the layers they use are kept)
 *                 -> name, blobs, layers, bytes, deferred (garbage stays while others work)
 *   bundle        store, image, dir; optional args [arg], keep_entrypoint, env {NAME: value}, cwd,
 *                 user, hostname, mounts [{type: "bind"|"tmpfs"|"volume", source, target, readonly,
 * size, no_copy}], groups [number], readonly, terminal, memory_bytes, pids, cpu_millis, replace
 *                 -> bundle (the directory for locald-shim), digest, uid, gid, warnings [text]
 *   cleanup       dir -> (nothing)
 */
#define OCI_JOB_COUNT 6
extern const struct job oci_jobs[OCI_JOB_COUNT];
