#include "cli/commands.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/log_line.h"
#include "cli/log_names.h"
#include "cli/log_options.h"
#include "cli/system_log.h"
#include "service/log_json.h"

#define FLUSH_SIZE (64 * 1024)

/*
 * Reads the logs where they are, without the daemon: a viewer that is slow costs
 * nobody else anything, and there is something to read when no daemon runs.
 */
struct viewer {
	struct cli *cli;
	const struct log_options *options;
	struct log_names names;
	struct log_query *query;
	struct log_watch *watch; /* NULL: not following */
	struct strv shown;       /* services; the query's tags are indexes into it */
	struct log_view view;
	struct strbuf out;
};

static int flush(struct viewer *viewer, struct error *err)
{
	int r = 0;

	if (viewer->out.len > 0)
		r = output_data(&viewer->cli->output, &viewer->out, err);
	strbuf_reset(&viewer->out);
	return r;
}

static void show(struct viewer *viewer, const struct log_match *match)
{
	const char *service = viewer->shown.items[match->tag];
	const struct log_entry *entry = &match->entry;

	if (viewer->options->json) {
		log_json_add(entry, service, &viewer->out);
	} else if (viewer->options->raw) {
		if (entry->kind == LOG_ENTRY_RECORD && entry->stream != LOG_EVENT)
			strbuf_add(&viewer->out, entry->data, entry->len);
	} else {
		if (match->is_apart)
			strbuf_adds(&viewer->out, "--\n");
		log_view_render(&viewer->view, entry, service, &viewer->out);
	}
}

/* All that is there now. */
static int drain(struct viewer *viewer, struct error *err)
{
	struct log_match match;
	int got;

	while ((got = log_query_next(viewer->query, &match, err)) == 1) {
		show(viewer, &match);
		if (viewer->out.len >= FLUSH_SIZE && flush(viewer, err) < 0)
			return -1;
	}
	return got < 0 ? -1 : flush(viewer, err);
}

static int add_services(struct viewer *viewer, struct error *err)
{
	const struct strv *services = &viewer->names.services;

	for (size_t i = 0; i < services->len; i++) {
		cleanup_free char *dir = path_join(viewer->names.project_dir, services->items[i]);

		log_view_add_name(&viewer->view, services->items[i]);
		/* Watched before it is read, so that nothing falls between. */
		if (viewer->watch && log_watch_add(viewer->watch, dir, err) < 0)
			return -1;
		if (!fs_is_dir(dir))
			continue;
		if (log_query_add(viewer->query, dir, err) < 0)
			return -1;
		strv_add(&viewer->shown, services->items[i]);
	}
	return log_query_begin(viewer->query, err);
}

static int view(struct viewer *viewer, int argc, char **argv, struct error *err)
{
	if (log_names_find(viewer->cli, argc, argv, &viewer->names, err) < 0)
		return -1;
	if (viewer->options->raw && viewer->names.services.len > 1)
		return error_set(err, ERR_USAGE, "--raw shows one service; name it");
	if (viewer->options->follow) {
		if (cli_open_interrupt(viewer->cli, err) < 0)
			return -1;
		viewer->watch = log_watch_new(err);
		if (!viewer->watch)
			return -1;
	}
	if (add_services(viewer, err) < 0 || drain(viewer, err) < 0)
		return -1;
	while (viewer->watch) {
		int r = cli_wait(viewer->cli, log_watch_fd(viewer->watch), err);

		if (r <= 0)
			return r;
		log_watch_clear(viewer->watch);
		if (drain(viewer, err) < 0)
			return -1;
	}
	return 0;
}

static int show_services(struct cli *cli, const struct log_options *options,
                         const struct log_filter *filter, int argc, char **argv, struct error *err)
{
	struct viewer viewer = {
		.cli = cli,
		.options = options,
		.query = log_query_new(filter),
		.view = {.style = cli->output.out, .has_prefix = !options->no_prefix},
		.out = STRBUF_INIT,
	};
	int r = cli_find_project(cli, err) < 0 ? -1 : view(&viewer, argc, argv, err);

	log_names_release(&viewer.names);
	log_query_free(viewer.query);
	log_watch_free(viewer.watch);
	strv_release(&viewer.shown);
	log_view_release(&viewer.view);
	strbuf_release(&viewer.out);
	return r;
}

static int run(struct cli *cli, int argc, char **argv, void *values, struct error *err)
{
	const struct log_options *options = values;
	struct log_filter filter;
	regex_t pattern;
	int r;

	if (log_options_filter(options, &pattern, &filter, err) < 0)
		return -1;
	if (!options->system)
		r = show_services(cli, options, &filter, argc, argv, err);
	else if (argc > 0)
		r = error_set(err, ERR_USAGE, "--system shows no services");
	else
		r = system_log_show(cli, &filter, options->follow, err);
	if (filter.pattern)
		regfree(&pattern);
	return r;
}

static const char *const examples[] = {
	"locald logs",
	"the last lines of all services, merged",
	"locald logs -f web 'worker-*'",
	"follow web and all workers until Ctrl-C",
	"locald logs --since 10m --grep 'timeout|refused' -C 3",
	"what matches, with the lines around it",
	"locald logs api --run -1 --level warn",
	"what the run before this one complained about",
	NULL,
};

static const char about[] =
	"TIME is a span before now (10m, 1h30m), a time of day (12:01), a date\n"
	"(2026-11-25, 2026-11-25T12:01:07, with Z or +02:00 if not local), today or\n"
	"yesterday. A level is read from JSON, from level=… and from leading words.";

const struct command cmd_logs = {
	.name = "logs",
	.summary = "Show what services wrote",
	.usage = "[SERVICE…]",
	.about = about,
	.examples = examples,
	.options = log_options_table,
	.options_size = sizeof(struct log_options),
	.set_defaults = log_options_defaults,
	.max_args = -1,
	.machine = MACHINE_EVENTS,
	.complete = COMPLETE_SERVICES,
	.run = run,
};
