#include "supervisor_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void on_state(const char *project, const struct service_snapshot *service, void *data)
{
	struct fixture *f = data;
	cleanup_free char *line =
		xasprintf("%s %s%s", service->plan->name, service_state_name(service->state),
	                  service->ready ? " ready" : "");

	if (f->trace.len == 0 || !str_eq(f->trace.items[f->trace.len - 1], line))
		strv_add(&f->trace, line);
}

static void on_prepare(const char *project, const struct service_plan *plan, uint64_t token,
                       void *data)
{
	((struct fixture *)data)->prepare_token = token;
}

static void on_cancel_prepare(uint64_t token, void *data)
{
	((struct fixture *)data)->cancelled_token = token;
}

static void on_ports(const char *project, void *data)
{
	((struct fixture *)data)->port_events++;
}

static void on_open_port(const char *project, const struct service_plan *plan, int inside_port,
                         void *data)
{
	((struct fixture *)data)->opened_port = inside_port;
}

static const struct supervisor_events events = {on_state, on_prepare, on_cancel_prepare,
                                                on_open_port, on_ports};

void on_done(uint64_t operation, const struct service_result *results, size_t count, void *data)
{
	struct fixture *f = data;

	f->done++;
	for (size_t i = 0; i < count; i++) {
		if (results[i].err.code)
			strv_addf(&f->results, "%s: %s", results[i].service, results[i].err.text);
		else
			strv_addf(&f->results, "%s %s", results[i].service,
			          results[i].was_changed ? "ok" : "unchanged");
	}
}

static char *path_of(const char *project, const char *service, void *data)
{
	return xasprintf("/nowhere/%s/%s", project, service);
}

static const struct supervisor_paths paths = {.keeper = path_of, .log_dir = path_of};

int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	fake_init(&f->fake);
	f->sup = supervisor_new(&f->fake.world, &paths, &events, f);
	*state = f;
	return 0;
}

int tear_down(void **state)
{
	struct fixture *f = *state;

	supervisor_free(f->sup);
	fake_release(&f->fake);
	array_foreach(plan, &f->plans)
		service_plan_release(plan);
	array_release(&f->plans);
	strv_release(&f->trace);
	strv_release(&f->results);
	free(f);
	return 0;
}

struct service_plan *add(struct fixture *f, const char *name, const char *dep)
{
	struct service_plan *plan = array_add(&f->plans);

	service_plan_init(plan, name);
	strv_add(&plan->argv, "true");
	plan->fingerprint = xstrdup("1");
	plan->has_port = true;
	plan->port = 4000 + (int)f->plans.len;
	if (dep)
		*array_add(&plan->deps) = (struct plan_dep){xstrdup(dep), DEP_READY};
	return plan;
}

struct service_plan *plan_of(struct fixture *f, const char *name)
{
	array_foreach(plan, &f->plans)
		if (str_eq(plan->name, name))
			return plan;
	return NULL;
}

uint64_t apply_subset(struct fixture *f, const char *only, struct apply_options options)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv subset = STRV_INIT;
	uint64_t id;

	if (only)
		strv_add(&subset, only);
	options.subset = &subset;
	strv_release(&f->results);
	strv_release(&f->trace);
	id = supervisor_apply(f->sup, "shop", f->plans.items, f->plans.len, &options, on_done, f,
	                      &err);
	if (id == 0)
		fail_msg("%s", err.text);
	return id;
}

uint64_t apply(struct fixture *f)
{
	return apply_subset(f, NULL, (struct apply_options){0});
}

void stop(struct fixture *f, const char *only)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv subset = STRV_INIT;

	if (only)
		strv_add(&subset, only);
	strv_release(&f->trace);
	assert_true(supervisor_stop(f->sup, "shop", &subset, on_done, f, &err) > 0);
}

void assert_state(struct fixture *f, const char *name, enum service_state want, bool ready)
{
	struct service_snapshot snapshot;

	assert_true(supervisor_find(f->sup, "shop", name, &snapshot));
	if (snapshot.state != want || snapshot.ready != ready)
		fail_msg("%s is %s%s (%s)", name, service_state_name(snapshot.state),
		         snapshot.ready ? " ready" : "", snapshot.detail ? snapshot.detail : "");
}

struct service_snapshot find(struct fixture *f, const char *name)
{
	struct service_snapshot snapshot = {0};

	assert_true(supervisor_find(f->sup, "shop", name, &snapshot));
	return snapshot;
}

size_t trace_index(const struct fixture *f, const char *line)
{
	for (size_t i = 0; i < f->trace.len; i++)
		if (str_eq(f->trace.items[i], line))
			return i;
	fail_msg("\"%s\" never happened", line);
	return 0;
}

void assert_result(const struct fixture *f, const char *line)
{
	if (strv_has(&f->results, line))
		return;
	for (size_t i = 0; i < f->results.len; i++)
		print_message("result: %s\n", f->results.items[i]);
	fail_msg("no result \"%s\"", line);
}
