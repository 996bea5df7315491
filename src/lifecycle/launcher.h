/*
 * launcher - the program that starts a built image's processes (ENTRYPOINT).
 *
 * Sets up the environment that the buildpacks' layers ask for and executes; returns
 * only on failure.  See "launcher" of the Platform specification.
 */
#pragma once

struct error;

/* argv as main() got it. */
int launcher_run(const char *const *argv, struct error *err);
/* launcher_run() as a whole program: prints the error and returns the exit code. */
int launcher_main(const char *const *argv);
