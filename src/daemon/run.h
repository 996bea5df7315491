/*
 * run - the command line of a one-off command: the caller runs it as the service
 * would run, in its folder, with its environment, or in a container of its image.
 *
 * The daemon starts nothing but what the service depends on; the caller executes
 * what it is told.  While the service runs, its port is taken: the command gets a
 * free one in PORT, and so does all that is made from it.
 */
#pragma once

struct project_op;

/* The dependencies are up: answers, and frees the operation. */
void run_begin(struct project_op *op);
