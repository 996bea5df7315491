/*
 * seal - keeps a container from overwriting this program (CVE-2019-5736).
 *
 * A container can reach the program through /proc/PID/exe.  Where the ids that
 * exist inside could write to the file, or could not execute it as process 1 of
 * --init, the shim goes on from a read-only mount of the file (root), or else from a
 * sealed copy in memory; where they cannot, nothing is done.
 */
#pragma once

struct error;
struct spec;

/* Where it cannot go on in place the program is executed again: before any side effect. */
int seal_self(const struct spec *spec, struct error *err);
