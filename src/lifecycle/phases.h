/*
 * phases - the phases of a build, each a function of what the platform asked for.
 *
 * They print what a person should see on standard output; failures are
 * returned.  Files between them are those of the Platform specification.
 */
#pragma once

struct error;
struct platform;

int phase_analyze(const struct platform *platform, struct error *err);
int phase_detect(const struct platform *platform, struct error *err);
int phase_restore(const struct platform *platform, struct error *err);
int phase_build(const struct platform *platform, struct error *err);
int phase_export(const struct platform *platform, struct error *err);
