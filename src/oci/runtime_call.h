/*
 * runtime_call - runs locald-shim to the end and keeps what it wrote to one descriptor.
 *
 * It dies with us.  Blocks.
 */
#pragma once

#include "base/attrs.h"

struct error;
struct strbuf;

/* The status of waitpid(2); argv[0] is its path. */
int runtime_call(const char *const argv[], int fd, struct strbuf *out, int *ret_status,
                 struct error *err);
