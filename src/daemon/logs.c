#include "daemon/logs.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/daemon.h"
#include "daemon/reply.h"
#include "loop/loop.h"
#include "net/http_server.h"
#include "service/log_reader.h"

#include <dirent.h>
#include <openssl/evp.h>

#define RECORDS_DEFAULT 200
#define RECORDS_MAX     1000000

/* One client that reads. */
struct log_view {
	struct daemon *daemon;
	struct http_exchange *x;
	struct strv services; /* the tags of the merge are indexes into it */
	struct log_merge *merge;
	struct log_watch *watch; /* NULL: not following */
	struct loop_source *source;
	bool is_waiting; /* for the client to take what was sent */
};

static void view_free(struct log_view *view)
{
	loop_source_free(view->source);
	log_watch_free(view->watch);
	log_merge_free(view->merge);
	strv_release(&view->services);
	free(view);
}

/* --- records as JSON --- */

static void set_bytes(json_t *object, const char *data, size_t len)
{
	json_t *text;
	cleanup_free unsigned char *encoded = NULL;

	if (len > 0 && data[len - 1] == '\n')
		len--;
	text = json_stringn(data, len);
	if (text) {
		json_object_set_new(object, "text", text);
		return;
	}
	encoded = xmalloc(len / 3 * 4 + 8);
	EVP_EncodeBlock(encoded, (const unsigned char *)data, (int)len);
	json_set_str(object, "base64", (const char *)encoded);
}

static json_t *gap_to_json(const struct log_entry *entry, const char *service)
{
	return json_pack("{s:{s:s, s:s, s:I, s:I}}", "gap", "service", service, "kind",
	                 entry->kind == LOG_ENTRY_EVICTED ? "evicted" : "dropped", "records",
	                 (json_int_t)entry->gap_records, "bytes", (json_int_t)entry->gap_bytes);
}

static json_t *entry_to_json(const struct log_entry *entry, const char *service)
{
	static const char *const streams[] = {
		[LOG_OUT] = "out", [LOG_ERR] = "err", [LOG_EVENT] = "event"};
	json_t *object;
	char time[CLOCK_TEXT_SIZE];

	if (entry->kind != LOG_ENTRY_RECORD)
		return gap_to_json(entry, service);
	object = json_object();
	clock_format_utc(entry->real_ns, time);
	json_set_str(object, "service", service);
	json_set_int(object, "run", entry->run);
	json_set_int(object, "seq", (int64_t)entry->seq);
	json_set_str(object, "time", time);
	json_set_str(object, "stream", streams[entry->stream]);
	if (entry->stream == LOG_EVENT) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

		log_entry_text(entry, &text);
		json_set_str(object, "text", text.buf);
	} else {
		set_bytes(object, entry->data, entry->len);
	}
	if (entry->flags & LOG_CONT)
		json_set_bool(object, "cont", true);
	return object;
}

/* --- the stream --- */

static void end_with(struct log_view *view, const struct error *err)
{
	struct http_exchange *x = view->x;

	reply_line(x, reply_result(err, NULL));
	http_stream_end(x);
	view_free(view);
}

/* Sends what there is, as long as the client takes it. */
static void pump(struct log_view *view)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_entry entry;
	size_t tag;
	int got;

	while ((got = log_merge_next(view->merge, &entry, &tag, &err)) == 1) {
		json_t *object = entry_to_json(&entry, view->services.items[tag]);
		cleanup_free char *text = json_text(object);
		size_t len = strlen(text);

		json_decref(object);
		text[len] = '\n';
		if (!http_stream_write(view->x, text, len + 1)) {
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

static int open_logs(struct log_view *view, const struct project *project, uint64_t records,
                     struct error *err)
{
	for (size_t i = 0; i < view->services.len; i++) {
		cleanup_free char *dir =
			paths_log_dir(&view->daemon->paths, project->id, view->services.items[i]);
		struct log_cursor *cursor;

		/* Watched before it is read, so that nothing falls between. */
		if (view->watch && log_watch_add(view->watch, dir, err) < 0)
			return -1;
		cursor = log_cursor_new(dir, err);
		if (!cursor)
			return -1;
		log_merge_add(view->merge, cursor, i);
		if (log_cursor_seek_last(cursor, records, err) < 0)
			return -1;
	}
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
	const struct dirent *entry;
	DIR *stream;

	array_foreach(plan, &project->plans)
		strv_add(out, plan->name);
	if (out->len > 0 || !(stream = opendir(own)))
		return;
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			strv_add(out, entry->d_name);
	closedir(stream);
	strv_sort(out);
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
	return open_logs(view, project, (uint64_t)records, err);
}

void logs_begin(struct daemon *daemon, struct http_exchange *x, const char *target)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct log_view *view = xcalloc(1, sizeof(*view));

	view->daemon = daemon;
	view->x = x;
	view->merge = log_merge_new();
	if (open_view(view, target, &err) < 0) {
		reply_error(x, &err, NULL);
		view_free(view);
		return;
	}
	http_exchange_watch(x, &exchange_callbacks, view);
	reply_stream_begin(x);
	pump(view);
}
