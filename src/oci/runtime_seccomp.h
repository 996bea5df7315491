/*
 * runtime_seccomp - the "linux.seccomp" of a container's config.json: what a service
 * or a buildpack has no business to call.
 *
 * A list of what is refused (EPERM), not of what is allowed: it takes away the
 * kernel's rarely used doors (modules, keyrings, bpf, new namespaces and mounts,
 * input into a terminal) and leaves every ordinary program alone.  clone3 is
 * answered with ENOSYS, because a filter cannot look at its flags: C libraries then
 * use clone, whose flags it can.  Private to runtime_config.
 *
 * Specified in the runtime-spec, "Seccomp"; the names are those of libseccomp.
 */
#pragma once

#include "base/json.h"

json_t *runtime_seccomp_new(void);
