#include "daemon/logs.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "loop/loop.h"
#include "net/http_server.h"
#include "service/log_json.h"
#include "service/log_query.h"

#define RECORDS_DEFAULT 200
#define RECORDS_MAX     100000

/* One client that reads. */
struct log_view {
	struct daemon *daemon;
	struct http_exchange *x;
	struct strv services; /* the tags of the query are indexes into it */
	struct log_query *query;
	struct log_watch *watch; /* NULL: not following */
	struct loop_source *source;
	bool is_waiting; /* for the client to take what was sent */
};

static void view_free(struct log_view *view)
{
	loop_source_free(view->source);
	log_watch_free(view->watch);
	log_query_free(view->query);
	strv_release(&view->services);
	free(view);
}

/* --- the stream --- */

static void end_with(struct log_view *view, const struct error *err)
{
	struct http_exchange *x = view->x;

	reply_end(x, reply_result(err, NULL));
	view_free(view);
}

/* Sends what there is, as long as the client takes it: a slow one costs nothing more. */
static void pump(struct log_view *view)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf line = STRBUF_INIT;
	struct log_match match;
	int got;

	while ((got = log_query_next(view->query, &match, &err)) == 1) {
		strbuf_reset(&line);
		log_json_add(&match.entry, view->services.items[match.tag], &line);
		if (!http_stream_write(view->x, line.buf, line.len)) {
			view->is_waiting = true;
			return;
		}
	}
	if (got < 0)
		end_with(view, &err);
	else if (!view->watch)
		end_with(view, NULL);
}

static void on_grown(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct log_view *view = data;

	log_watch_clear(view->watch);
	if (!view->is_waiting)
		pump(view);
}

static void on_room(struct http_exchange *x, void *data)
{
	struct log_view *view = data;

	view->is_waiting = false;
	pump(view);
}

static void on_client_gone(struct http_exchange *x, void *data)
{
	view_free(data);
}

static const struct http_exchange_events exchange_callbacks = {.on_close = on_client_gone,
                                                               .on_drain = on_room};

/* --- the beginning --- */

/* Every `service=` of the query, not only the first. */
static void read_services(const char *target, struct strv *out)
{
	const char *at = strchr(target, '?');

	while (at) {
		cleanup_free char *rest = xasprintf("?%s", at + 1);
		cleanup_free char *service = NULL;

		if (str_starts(at + 1, "service="))
			service = http_target_query(rest, "service");
		if (service)
			strv_add(out, service);
		at = strchr(at + 1, '&');
	}
}

static int open_logs(struct log_view *view, const struct project *project, struct error *err)
{
	for (size_t i = 0; i < view->services.len; i++) {
		cleanup_free char *dir =
			paths_log_dir(&view->daemon->paths, project->id, view->services.items[i]);

		/* Watched before it is read, so that nothing falls between. */
		if (view->watch && log_watch_add(view->watch, dir, err) < 0)
			return -1;
		if (log_query_add(view->query, dir, err) < 0)
			return -1;
	}
	if (log_query_begin(view->query, err) < 0)
		return -1;
	if (!view->watch)
		return 0;
	return loop_add_fd(view->daemon->loop, log_watch_fd(view->watch), LOOP_READ, on_grown, view,
	                   &view->source, err);
}

/*
 * The services that have a log: those of the plans, and where the plans are gone (a
 * reboot) those whose folders are there.
 */
static void known_services(const struct log_view *view, const struct project *project,
                           struct strv *out)
{
	cleanup_free char *dir = path_join(view->daemon->paths.state, "logs");
	cleanup_free char *own = path_join(dir, project->id);

	array_foreach(plan, &project->plans)
		strv_add(out, plan->name);
	if (out->len == 0)
		fs_names(own, out);
}

static int choose_services(struct log_view *view, const struct project *project, const char *target,
                           struct error *err)
{
	cleanup(strv_release) struct strv known = STRV_INIT;

	known_services(view, project, &known);
	read_services(target, &view->services);
	if (project->plans.len > 0
	            ? project_resolve(project, &view->services, err) < 0
	            : service_names_check(&view->services, &known, project->name, err) < 0)
		return -1;
	if (view->services.len == 0)
		strv_copy(&view->services, &known);
	return 0;
}

static int open_view(struct log_view *view, const char *target, struct error *err)
{
	cleanup_free char *root = http_target_query(target, "root");
	cleanup_free char *count = http_target_query(target, "n");
	cleanup_free char *follow = http_target_query(target, "follow");
	const struct project *project = root ? daemon_find_project_at(view->daemon, root) : NULL;
	int64_t records = RECORDS_DEFAULT;

	if (!project) {
		error_set(err, ERR_NOT_FOUND, "nothing of %s has been started",
		          root ? root : "this folder");
		return error_hint(err, "locald up");
	}
	if (count && str_to_int(count, 0, RECORDS_MAX, &records, err) < 0)
		return error_wrap(err, "n");
	if (choose_services(view, project, target, err) < 0)
		return -1;
	if (follow && str_eq(follow, "1")) {
		view->watch = log_watch_new(err);
		if (!view->watch)
			return -1;
	}
	view->query = log_query_new(&(struct log_filter){.last = (uint64_t)records});
	return open_logs(view, project, err);
}

void logs_begin(struct daemon *daemon, struct http_exchange *x, const char *target)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_view *view = xcalloc(1, sizeof(*view));

	view->daemon = daemon;
	view->x = x;
	if (open_view(view, target, &err) < 0) {
		reply_error(x, &err, NULL);
		view_free(view);
		return;
	}
	http_exchange_watch(x, &exchange_callbacks, view);
	reply_stream_begin(x);
	pump(view);
}
