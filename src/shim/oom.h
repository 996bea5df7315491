/*
 * oom - did the kernel end the container for want of memory?
 *
 * Its cgroup knows, and is gone with it, so whoever waits for the end asks before
 * it removes the container.  The answer goes to standard error, and into the file
 * that the annotation "locald.reason" names.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

struct cgroup;
struct container;
struct shim;

#define OOM_ANNOTATION "locald.reason"

/* "killed: out of memory (limit 64 MiB)"; false when it was something else. */
bool oom_reason(const struct cgroup *cgroup, int status, char *text, size_t size);
void oom_report(const struct shim *shim, const struct container *container, int status);
