/*
 * swap - puts another copy of this program's file in its place while it runs.
 *
 * An execve would do the same, and start all over: it costs as much as the rest of a
 * start.  The copy must have the same bytes.  Each segment of the program is mapped
 * from it, so that nothing of the old file is left, and then the kernel is told what
 * /proc/self/exe is.  For a static program with one thread.
 */
#pragma once

#include <stdbool.h>

/*
 * False where the kernel refuses, as it does without CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN:
 * execute the copy then.
 */
bool swap_program(int copy);
