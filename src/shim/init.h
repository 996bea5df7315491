/*
 * init - what the first process of a container does between clone and exec.
 *
 * One straight line in the child, from the plan.  It allocates nothing but the
 * text of an error, talks to the shim over plan->sync (see sync.h), and ends in
 * the container's program, or with --init in pid1_run().
 */
#pragma once

#include "base/attrs.h"

struct error;
struct plan;

no_return void init_main(const struct plan *plan);

/*
 * pid1.c: forks; returns in the child, which becomes the program.  The caller
 * executes itself anew as process 1, which is pid1_main(): it reaps what is
 * orphaned, forwards signals to the program, and ends with its status.
 */
#define PID1_COMMAND "__pid1"
int pid1_split(const struct plan *plan, struct error *err);
no_return void pid1_main(const char *program);
