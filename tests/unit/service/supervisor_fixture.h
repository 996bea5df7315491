/*
 * supervisor_fixture - a supervisor in a fake_world, with plans to apply and a
 * record of what it said.  The project is always "shop".
 */
#pragma once

#include "fake_world.h"

struct fixture {
	struct fake_world fake;
	struct supervisor *sup;
	ARRAY(struct service_plan) plans;
	struct strv trace;   /* "db starting", "web running ready", … */
	struct strv results; /* "web ok", "web unchanged", "web: why not" */
	int done;            /* operations that are over */
	uint64_t prepare_token, cancelled_token;
	int port_events;
	int opened_port;
};

int set_up(void **state);
int tear_down(void **state);

/* Adds a service on a port; the dep, if any, must be ready first. */
struct service_plan *add(struct fixture *f, const char *name, const char *dep);
struct service_plan *plan_of(struct fixture *f, const char *name);

/* Trace and results begin anew with each of these. */
uint64_t apply(struct fixture *f);
uint64_t apply_subset(struct fixture *f, const char *only, struct apply_options options);
void stop(struct fixture *f, const char *only);
void on_done(uint64_t operation, const struct service_result *results, size_t count, void *data);

struct service_snapshot find(struct fixture *f, const char *name);
void assert_state(struct fixture *f, const char *name, enum service_state want, bool ready);
void assert_result(const struct fixture *f, const char *line);
/* Where in the trace a line is; it must be there. */
size_t trace_index(const struct fixture *f, const char *line);

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
