/*
 * capability - the names of capabilities.
 *
 * A table in place of libcap, which asks the kernel some ten times at each start.
 */
#pragma once

/* The number of "CAP_KILL", in any case of letters; -1 when it is none of ours. */
int capability_number(const char *name);
/* NULL beyond the last one of the table. */
const char *capability_name(int number);
