#include "daemon/service_watch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/live.h"
#include "daemon/tree_watch.h"
#include "loop/loop.h"

/* A change so soon after a start is taken for the service's own … */
#define OWN_MS 1500
/* … when it happens so often in a row. */
#define OWN_MAX 5
/* Nobody edits that often in a minute. */
#define MINUTE_MAX 20
#define MINUTE_MS  60000
/* Somebody who never stops writing does not keep a restart away for ever. */
#define WAIT_MAX 10

struct service_watch {
	struct daemon *daemon;
	char *project_id, *root;
	char *service; /* as plan_service() says */
	bool is_built;
	struct watch_rule rule;
	struct tree_watch *tree;
	struct loop_source *timer;
	int64_t first_ms;   /* of the changes that wait; 0: none */
	char *file;         /* that changed last, from the root */
	int64_t restart_ns; /* when it was restarted last, to be shown; 0: never */
	int own, in_minute; /* restarts that look like the service's own, and lately */
	int64_t minute_ms;
	bool is_paused;
};

static void watch_free(struct service_watch *watch)
{
	tree_watch_free(watch->tree);
	loop_source_free(watch->timer);
	watch_rule_release(&watch->rule);
	free(watch->project_id);
	free(watch->root);
	free(watch->service);
	free(watch->file);
	free(watch);
}

static const char *shown(const struct service_watch *watch, const char *path)
{
	size_t len = strlen(watch->root);

	return strncmp(path, watch->root, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void on_file(const char *path, void *data)
{
	struct service_watch *watch = data;
	int64_t now = clock_mono_ms(), debounce = watch->rule.debounce_ms;

	if (watch->is_paused)
		return;
	free(watch->file);
	watch->file = xstrdup(shown(watch, path));
	if (watch->first_ms == 0)
		watch->first_ms = now;
	loop_timer_set(watch->timer, now - watch->first_ms > WAIT_MAX * debounce ? 0 : debounce);
}

/* The plans of the service that are wanted up, and how long ago the last of them began. */
static int64_t wanted_plans(const struct service_watch *watch, struct strv *names)
{
	const struct project *project = daemon_find_project(watch->daemon, watch->project_id);
	struct service_snapshot now;
	int64_t age_ms = INT64_MAX;

	if (!project)
		return age_ms;
	array_foreach(plan, &project->plans) {
		if (!str_eq(plan_service(plan), watch->service) ||
		    !supervisor_find(watch->daemon->supervisor, watch->project_id, plan->name,
		                     &now) ||
		    !now.wanted)
			continue;
		strv_add(names, plan->name);
		if (now.age_ms >= 0 && now.age_ms < age_ms)
			age_ms = now.age_ms;
	}
	return age_ms;
}

static bool is_loop(struct service_watch *watch, int64_t age_ms)
{
	int64_t now = clock_mono_ms(), change_age_ms = now - watch->first_ms;

	watch->own = watch->restart_ns > 0 && age_ms - change_age_ms < OWN_MS ? watch->own + 1 : 0;
	if (now - watch->minute_ms > MINUTE_MS) {
		watch->minute_ms = now;
		watch->in_minute = 0;
	}
	return ++watch->in_minute > MINUTE_MAX || watch->own >= OWN_MAX;
}

static void on_restarted(uint64_t number, const struct service_result *results, size_t count,
                         void *data)
{
	/* What became of it is in `status`. */
}

static void on_quiet(struct loop_source *source, void *data)
{
	struct service_watch *watch = data;
	struct daemon *daemon = watch->daemon;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv names = STRV_INIT;
	int64_t age_ms = wanted_plans(watch, &names);
	bool is_looping;

	if (names.len == 0) {
		watch->first_ms = 0;
		return;
	}
	is_looping = is_loop(watch, age_ms);
	watch->first_ms = 0;
	if (is_looping) {
		watch->is_paused = true;
		log_warn("%s/%s: not watched any more: %s changes at each start", watch->project_id,
		         watch->service, watch->file);
		return;
	}
	watch->restart_ns = clock_real_ns();
	if (watch->is_built) {
		live_owes(daemon, watch->project_id, &names);
		live_check(daemon, watch->project_id);
	} else if (!supervisor_restart(daemon->supervisor, watch->project_id, &names, on_restarted,
	                               NULL, &err)) {
		log_err("%s/%s: %s", watch->project_id, watch->service, err.text);
	}
}

static struct service_watch *find(const struct daemon *daemon, const char *project_id,
                                  const char *service)
{
	array_foreach(watch, &daemon->watches)
		if (str_eq((*watch)->project_id, project_id) && str_eq((*watch)->service, service))
			return *watch;
	return NULL;
}

static void begin(struct daemon *daemon, const struct project *project, size_t i)
{
	const struct service_extra *extra = &project->extras.items[i];
	const char *service = plan_service(&project->plans.items[i]);
	struct service_watch *watch;

	if (extra->watch.patterns.len == 0 || find(daemon, project->id, service))
		return;
	watch = xcalloc(1, sizeof(*watch));
	watch->daemon = daemon;
	watch->project_id = xstrdup(project->id);
	watch->root = xstrdup(project->root);
	watch->service = xstrdup(service);
	watch->is_built = project->plans.items[i].mode == PLAN_CONTAINER;
	watch_rule_copy(&watch->rule, &extra->watch);
	watch->timer = loop_add_timer(daemon->loop, -1, on_quiet, watch);
	watch->tree = tree_watch_new(daemon->loop, daemon->files, &watch->rule, on_file, watch);
	*array_add(&daemon->watches) = watch;
}

void service_watch_begin(struct daemon *daemon, const struct project *project)
{
	service_watch_end(daemon, project->id);
	for (size_t i = 0; i < project->plans.len; i++)
		begin(daemon, project, i);
}

void service_watch_end(struct daemon *daemon, const char *project_id)
{
	for (size_t i = daemon->watches.len; i-- > 0;) {
		struct service_watch **slot = &daemon->watches.items[i];

		if (!str_eq((*slot)->project_id, project_id))
			continue;
		watch_free(*slot);
		array_remove(&daemon->watches, slot);
	}
}

void service_watch_release(struct daemon *daemon)
{
	array_foreach(watch, &daemon->watches)
		watch_free(*watch);
	array_release(&daemon->watches);
}

void service_watch_to_status(const struct daemon *daemon, const char *project_id,
                             const struct service_plan *plan, json_t *object, json_t *warnings)
{
	const struct service_watch *watch = find(daemon, project_id, plan_service(plan));
	char at[CLOCK_TEXT_SIZE];
	json_t *item;

	if (!watch)
		return;
	item = json_object();
	json_set_bool(item, "paused", watch->is_paused);
	if (watch->restart_ns > 0) {
		clock_format_utc(watch->restart_ns, at);
		json_set_str(item, "file", watch->file);
		json_set_str(item, "at", at);
	}
	if (tree_watch_problem(watch->tree))
		json_set_str(item, "problem", tree_watch_problem(watch->tree));
	json_object_set_new(object, "watch", item);
	if (watch->is_paused)
		json_array_append_new(
			warnings,
			json_sprintf("watch is paused: %s changes each time it starts; add it to "
		                     "watch_ignore",
		                     watch->file));
}
