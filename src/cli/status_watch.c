#include "cli/status_watch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/project_status.h"

struct watcher {
	struct cli *cli;
	struct client *events; /* the stream; the client of cli asks */
	status_show_fn *show;
	json_t *before;
	int64_t drawn_at_ms;
	bool is_dirty;
	struct error failure;
};

static const json_t *service_of_run(const json_t *status, const char *project, const char *name,
                                    int64_t run)
{
	const json_t *p, *s;
	size_t i, j;

	json_array_foreach(json_object_get(status, "projects"), i, p) {
		if (!str_eq(json_get_str(p, "id", ""), project))
			continue;
		json_array_foreach(json_object_get(p, "services"), j, s)
			if (str_eq(json_get_str(s, "name", ""), name) &&
			    json_get_int(s, "run", 0) == run)
				return s;
	}
	return NULL;
}

static void add_cpu(json_t *service, const json_t *before, int64_t ms_between)
{
	int64_t used = json_get_int(service, "cpu_ms", -1);
	int64_t earlier = json_get_int(before, "cpu_ms", -1);
	int64_t span = json_get_int(service, "uptime_ms", 0);

	if (used < 0)
		return;
	if (earlier >= 0 && used >= earlier && ms_between > 0) {
		used -= earlier;
		span = ms_between;
	}
	json_object_set_new(service, "cpu_percent",
	                    json_real(span > 0 ? (double)used * 100 / (double)span : 0));
}

void status_add_cpu(json_t *status, const json_t *before, int64_t ms_between)
{
	json_t *project, *service;
	size_t i, j;

	json_array_foreach(json_object_get(status, "projects"), i, project)
		json_array_foreach(json_object_get(project, "services"), j, service)
			add_cpu(service,
			        service_of_run(before, json_get_str(project, "id", ""),
			                       json_get_str(service, "name", ""),
			                       json_get_int(service, "run", 0)),
			        ms_between);
}

/* From the top of the screen, each line to its end: nothing flickers. */
static void add_frame(const struct strbuf *text, struct strbuf *out)
{
	strbuf_adds(out, "\033[H");
	for (const char *at = text->buf; *at; at++) {
		if (*at == '\n')
			strbuf_adds(out, "\033[K");
		strbuf_addch(out, *at);
	}
	strbuf_adds(out, "\033[J");
}

static int draw(struct watcher *watcher, struct error *err)
{
	struct cli *cli = watcher->cli;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf frame = STRBUF_INIT;
	json_t *status = project_status(cli, err);
	int64_t now = clock_mono_ms();
	bool is_screen = cli->output.out.width > 0;

	if (!status)
		return -1;
	status_add_cpu(status, watcher->before, now - watcher->drawn_at_ms);
	json_decref(watcher->before);
	watcher->before = status;
	watcher->drawn_at_ms = now;
	watcher->is_dirty = false;
	if (watcher->show(cli, status, &text, err) < 0)
		return -1;
	if (!is_screen || cli->machine != MACHINE_OFF)
		return output_data(&cli->output, &text, err);
	add_frame(&text, &frame);
	return output_data(&cli->output, &frame, err);
}

static void draw_later(struct watcher *watcher)
{
	if (!watcher->failure.code && draw(watcher, &watcher->failure) < 0)
		return; /* told when the stream is looked at next */
}

static void on_tick(void *data)
{
	struct watcher *watcher = data;

	/* What is no screen is told of changes only. */
	if (watcher->cli->output.out.width > 0 && watcher->cli->machine == MACHINE_OFF)
		draw_later(watcher);
}

/* What came so far is all there is: now it can be shown. */
static void on_idle(void *data)
{
	struct watcher *watcher = data;

	if (watcher->is_dirty)
		draw_later(watcher);
}

static int on_event(json_t *line, void *data, struct error *err)
{
	struct watcher *watcher = data;

	watcher->is_dirty = true;
	return watcher->failure.code ? error_move(err, &watcher->failure) : 0;
}

static int follow(struct watcher *watcher, struct error *err)
{
	struct cli *cli = watcher->cli;
	cleanup(strbuf_release) struct strbuf target = STRBUF_INIT;
	const struct client_watch watch = {
		.interrupt_fd = cli->interrupt_fd,
		.tick_ms = WATCH_TICK_MS,
		.on_tick = on_tick,
		.on_idle = on_idle,
		.data = watcher,
	};

	strbuf_adds(&target, "/v1/events");
	if (cli->root)
		cli_add_query(&target, "root", cli->root);
	client_watch(watcher->events, &watch);
	watcher->is_dirty = true;
	if (client_stream(watcher->events, "GET", target.buf, NULL, on_event, watcher, err) < 0)
		return -1;
	return error_set(err, ERR_DAEMON, "the daemon has ended");
}

int status_watch(struct cli *cli, status_show_fn *show, struct error *err)
{
	cleanup_free char *path = paths_daemon_sock(&cli->paths);
	struct watcher watcher = {.cli = cli, .show = show, .failure = ERROR_INIT};
	bool is_screen = cli->output.out.width > 0 && cli->machine == MACHINE_OFF;
	cleanup(strbuf_release) struct strbuf clear = STRBUF_INIT;
	int r;

	if (!cli->client && cli_start_daemon(cli, err) < 0)
		return -1;
	watcher.events = client_connect(path, err);
	if (!watcher.events)
		return -1;
	strbuf_adds(&clear, "\033[2J");
	r = cli_open_interrupt(cli, err);
	if (r == 0 && is_screen)
		r = output_data(&cli->output, &clear, err);
	if (r == 0)
		r = follow(&watcher, err);
	client_free(watcher.events);
	json_decref(watcher.before);
	error_release(&watcher.failure);
	return r;
}
