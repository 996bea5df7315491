/*
 * api_version - which Platform and Buildpack APIs this lifecycle speaks.
 *
 * Platform 0.12 and 0.13, Buildpack 0.7 to 0.12.  Anything else ends the program with the
 * exit code that the Platform specification has for it.
 */
#pragma once

struct error;

/* "0.N" within the supported range: N; else -1 with exit code 12 and a text that says who. */
int buildpack_api_minor(const char *api, const char *who, struct error *err);

/* The minor number of CNB_PLATFORM_API; -1 with exit code 11. */
int platform_api_minor(struct error *err);
