/* filter - compiles linux.seccomp to a BPF program before the clone. */
#pragma once

#include <linux/filter.h>

struct error;
struct spec_seccomp;

/* Fills *ret (filter is heap, owned by the caller); len 0 when nothing is configured. */
int filter_compile(const struct spec_seccomp *spec, struct sock_fprog *ret, struct error *err);
