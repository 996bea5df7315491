#include "daemon/live.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/diag.h"
#include "config/project.h"
#include "daemon/config_watch.h"
#include "daemon/daemon.h"
#include "daemon/git_head.h"
#include "daemon/project_op.h"
#include "daemon/service_watch.h"
#include "daemon/state_db.h"
#include "loop/loop.h"

#define GIT_WAIT_MS 200

struct live {
	struct daemon *daemon;
	char *project_id;
	struct config_watch *watch;
	struct loop_source *timer;
	bool is_due;       /* once the operation under way is over */
	json_t *errors;    /* diagnostics of the files as they are now; NULL: they are good */
	char *blocked;     /* why they are not applied; NULL: they are */
	struct strv owed;  /* services that a reload had still to start */
	struct strv files; /* of git */
};

static void reload(struct live *live);
static void notice_commit(struct live *live);

static struct live *find(const struct daemon *daemon, const char *project_id)
{
	array_foreach(live, &daemon->live)
		if (str_eq((*live)->project_id, project_id))
			return *live;
	return NULL;
}

static void on_event(void *data)
{
	notice_commit(data);
}

static void on_quiet(void *data)
{
	reload(data);
}

static const struct config_watch_events watch_callbacks = {.on_event = on_event,
                                                           .on_quiet = on_quiet};

static void on_timer(struct loop_source *source, void *data)
{
	reload(data);
}

static struct live *get(struct daemon *daemon, const struct project *project)
{
	struct live *live = find(daemon, project->id);

	if (live)
		return live;
	live = xcalloc(1, sizeof(*live));
	live->daemon = daemon;
	live->project_id = xstrdup(project->id);
	live->watch = config_watch_new(daemon->loop, daemon->files, project->root, &watch_callbacks,
	                               live);
	live->timer = loop_add_timer(daemon->loop, -1, on_timer, live);
	*array_add(&daemon->live) = live;
	return live;
}

static void clear(struct live *live)
{
	json_decref(take_ptr(live->errors));
	free(take_ptr(live->blocked));
}

static void live_free(struct live *live)
{
	clear(live);
	config_watch_free(live->watch);
	loop_source_free(live->timer);
	strv_release(&live->owed);
	strv_release(&live->files);
	free(live->project_id);
	free(live);
}

void live_end(struct daemon *daemon, const char *project_id)
{
	service_watch_end(daemon, project_id);
	array_foreach(slot, &daemon->live) {
		if (!str_eq((*slot)->project_id, project_id))
			continue;
		live_free(*slot);
		array_remove(&daemon->live, slot);
		return;
	}
}

void live_release(struct daemon *daemon)
{
	service_watch_release(daemon);
	array_foreach(live, &daemon->live)
		live_free(*live);
	array_release(&daemon->live);
}

/* --- what is watched --- */

static void watch(struct live *live, const struct config_inputs *inputs)
{
	cleanup(strv_release) struct strv paths = STRV_INIT;

	strv_copy(&paths, &live->files);
	array_foreach(input, &inputs->list)
		strv_add(&paths, input->path);
	config_watch_set(live->watch, &paths);
	/* What changed between reading and watching was not told. */
	if (!config_inputs_are_current(inputs))
		config_watch_poke(live->watch);
}

/* "": not in a repository, or a branch without a commit. */
static void read_head(struct live *live, const char *root, struct git_head *head)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (git_head_read(root, head, &err) < 0)
		log_warn("%s: %s", root, err.text);
	strv_release(&live->files);
	strv_copy(&live->files, &head->files);
}

void live_begin(struct daemon *daemon, const struct project *project)
{
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	struct live *live = get(daemon, project);

	clear(live);
	read_head(live, project->root, &head);
	watch(live, &project->inputs);
	service_watch_begin(daemon, project);
}

void live_check(struct daemon *daemon, const char *project_id)
{
	struct live *live = find(daemon, project_id);

	if (live)
		loop_timer_set(live->timer, 0);
}

static void note_up(const char *project, const struct service_snapshot *service, void *data)
{
	*(bool *)data |= service->wanted || service_state_is_live(service->state);
}

static bool is_up(const struct live *live, const struct project *project)
{
	bool up = project->is_held || live->owed.len > 0;

	supervisor_each(live->daemon->supervisor, live->project_id, note_up, &up);
	return up;
}

void live_operation_ended(struct daemon *daemon, const char *project_id)
{
	const struct project *project = daemon_find_project(daemon, project_id);
	struct live *live = find(daemon, project_id);

	if (!live || !project)
		return;
	if (!is_up(live, project))
		live_end(daemon, project_id);
	else if (live->is_due || live->owed.len > 0)
		loop_timer_set(live->timer, 0);
}

/* --- what is owed --- */

void live_owes(struct daemon *daemon, const char *project_id, const struct strv *services)
{
	struct live *live = find(daemon, project_id);

	if (!live)
		return;
	live->is_due = true;
	for (size_t i = 0; i < services->len; i++)
		if (!strv_has(&live->owed, services->items[i]))
			strv_add(&live->owed, services->items[i]);
}

void live_owes_not(struct daemon *daemon, const char *project_id, const struct strv *services)
{
	struct live *live = find(daemon, project_id);
	struct strv left = STRV_INIT;

	if (!live)
		return;
	for (size_t i = 0; i < live->owed.len; i++)
		if (services->len > 0 && !strv_has(services, live->owed.items[i]))
			strv_add(&left, live->owed.items[i]);
	strv_release(&live->owed);
	live->owed = left;
}

/* --- a change --- */

static bool was_approved(struct daemon *daemon, const char *root,
                         const struct config_inputs *inputs)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char digest[SHA256_DIGEST_SIZE];
	bool is_approved = false;

	config_inputs_digest(inputs, digest);
	if (state_db_is_approved(daemon->db, root, digest, &is_approved, &err) < 0)
		log_err("%s", err.text);
	return is_approved;
}

/* The path as one in the project's folder says it. */
static const char *shown(const struct project *project, const char *path)
{
	size_t len = strlen(project->root);

	return strncmp(path, project->root, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void block(struct live *live, const struct project *project, const char *path,
                  const char *commit)
{
	clear(live);
	live->blocked =
		*commit ? xasprintf("%s changed in commit %.7s", shown(project, path), commit)
			: xasprintf("%s changed with the repository", shown(project, path));
	log_info("%s: not applied: %s", project->id, live->blocked);
}

void live_failed(struct daemon *daemon, const char *project_id, const struct error *err,
                 const struct diagnostics *diags)
{
	struct live *live = find(daemon, project_id);
	json_t *item;

	if (!live)
		return;
	clear(live);
	live->errors = diag_error_count(diags) > 0 ? diag_to_json(diags) : json_array();
	if (json_array_size(live->errors) == 0) {
		item = json_object();
		json_set_str(item, "text", err->text);
		if (err->hint)
			json_set_str(item, "help", err->hint);
		json_object_set_new(item, "places", json_array());
		json_array_append_new(live->errors, item);
	}
	log_info("%s: the files are not applied: %s", project_id, err->text);
}

/* The content is the approved one, at whatever commit: from there on edits are the user's. */
static void settle(struct live *live, struct project *project, const char *commit)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	clear(live);
	if (str_eq(project->head, commit))
		return;
	(void)str_copy(project->head, sizeof(project->head), commit);
	if (daemon_save_project(live->daemon, project, &err) < 0)
		log_err("%s", err.text);
}

/*
 * A commit of what is approved is no change, and an edit right after it is the
 * user's: so it is looked at before things are quiet.
 */
static void notice_commit(struct live *live)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	struct project *project = daemon_find_project(live->daemon, live->project_id);

	if (project && git_head_read(project->root, &head, &err) == 0 && !head.is_busy &&
	    !str_eq(head.commit, project->head) && config_inputs_are_current(&project->inputs))
		settle(live, project, head.commit);
}

static void apply(struct live *live, struct project *project, struct project_config *config,
                  struct config_inputs *inputs, const char *commit)
{
	struct daemon *daemon = live->daemon;
	struct strv owed;

	project_op_cancel_reload(daemon, live->project_id, false);
	live->is_due = false;
	loop_timer_set(live->timer, -1);
	owed = live->owed;
	live->owed = (struct strv)STRV_INIT;
	clear(live);
	project_op_reload(daemon, project, config, inputs, commit, &owed);
	strv_release(&owed);
}

static void reload(struct live *live)
{
	struct daemon *daemon = live->daemon;
	struct project *project = daemon_find_project(daemon, live->project_id);
	cleanup_free char *user_config = paths_user_config(&daemon->paths);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(config_inputs_release) struct config_inputs inputs = CONFIG_INPUTS_INIT;
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	cleanup_project struct project_config *config = NULL;
	const char *changed;

	live->is_due = true;
	if (!project || !is_up(live, project)) {
		live_end(daemon, live->project_id);
		return;
	}
	if (project_op_is_under_way(daemon, live->project_id))
		return;
	read_head(live, project->root, &head);
	if (head.is_busy) {
		loop_timer_set(live->timer, GIT_WAIT_MS);
		return;
	}
	live->is_due = false;
	config = project_load_noting(project->root, user_config, &inputs, &diags, &err);
	watch(live, &inputs);
	changed = config_inputs_first_change(&project->inputs, &inputs);
	if (!config) {
		live_failed(daemon, live->project_id, &err, &diags);
		return;
	}
	if (project_op_is_reloading(daemon, live->project_id, &inputs))
		return; /* this very content is on its way */
	project_op_cancel_reload(daemon, live->project_id, true);
	if (!changed && live->owed.len == 0)
		settle(live, project, head.commit);
	else if (changed && !str_eq(head.commit, project->head) &&
	         !was_approved(daemon, project->root, &inputs))
		block(live, project, changed, head.commit);
	else
		apply(live, project, take_ptr(config), &inputs, head.commit);
}

/* --- after a restart of the daemon --- */

bool live_is_approved(struct daemon *daemon, const struct project *project)
{
	cleanup_free char *user_config = paths_user_config(&daemon->paths);
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(config_inputs_release) struct config_inputs inputs = CONFIG_INPUTS_INIT;
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	cleanup_project struct project_config *config = NULL;

	if (project->inputs.list.len == 0)
		return false;
	if (git_head_read(project->root, &head, &err) < 0)
		log_warn("%s: %s", project->root, err.text);
	if (str_eq(head.commit, project->head))
		return true; /* edits by hand, if any */
	error_release(&err);
	config = project_load_noting(project->root, user_config, &inputs, &diags, &err);
	return !config_inputs_first_change(&project->inputs, &inputs) ||
	       (config && was_approved(daemon, project->root, &inputs));
}

/* --- what status says --- */

void live_to_status(const struct daemon *daemon, const struct project *project, json_t *object)
{
	const struct live *live = find(daemon, project->id);

	if (!live)
		return;
	if (live->errors)
		json_object_set(object, "config_errors", live->errors);
	if (live->blocked)
		json_set_str(object, "blocked", live->blocked);
}

const char *live_polls_because(const struct daemon *daemon)
{
	array_foreach(live, &daemon->live) {
		const char *why = config_watch_polls_because((*live)->watch);

		if (why)
			return why;
	}
	return NULL;
}
