/*
 * hooks - runs the programs of config.hooks, one after the other.
 *
 * Each gets the container's state on standard input, exactly the environment
 * it lists, and a time limit.  The state is in a memfd, so the child runs hooks
 * without allocating.  Blocks.
 */
#pragma once

struct error;
struct spec_hooks;

/* A memfd for the state; hooks_set_state() replaces its content. */
int hooks_state_new(struct error *err);
int hooks_set_state(int state, const char *json, struct error *err);
/* Stops at the first that fails. */
int hooks_run(const struct spec_hooks *hooks, const char *kind, int state, struct error *err);
