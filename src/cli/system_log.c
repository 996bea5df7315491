#include "cli/system_log.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/log_line.h"
#include "service/log_query.h"
#include "service/log_reader.h"

#include <errno.h>
#include <fcntl.h>

#define TIME_LEN   24 /* "2026-01-31T12:01:07.412Z" */
#define BLOCK_SIZE (64 * 1024)

struct system_log {
	struct cli *cli;
	const struct log_filter *filter;
	int fd;
	bool is_taking;     /* the last line that told a time was in range */
	struct strbuf line; /* what was read of the last line */
	ARRAY(char *) last; /* a ring of filter->last, before the first flush */
	size_t last_first;
};

/* Lines that tell no time belong to the one before them. */
static bool is_in_range(struct system_log *log, const char *line)
{
	char when[TIME_LEN + 1];
	int64_t ns;

	str_copy(when, sizeof(when), line);
	if (clock_parse_utc(when, &ns))
		log->is_taking = ns >= log->filter->since_ns &&
		                 (!log->filter->until_ns || ns <= log->filter->until_ns);
	return log->is_taking;
}

static bool is_wanted(struct system_log *log)
{
	const struct log_filter *filter = log->filter;

	if (!is_in_range(log, log->line.buf))
		return false;
	if (filter->level && log_level_of(log->line.buf, log->line.len) < filter->level)
		return false;
	return !filter->pattern ||
	       (regexec(filter->pattern, log->line.buf, 0, NULL, 0) == 0) != filter->is_inverted;
}

static void keep_line(struct system_log *log)
{
	cleanup(strbuf_release) struct strbuf shown = STRBUF_INIT;
	char **slot;

	log_line_safe(&shown, &log->cli->output.out, log->line.buf, log->line.len);
	strbuf_addch(&shown, '\n');
	if (log->last.len < log->filter->last) {
		*array_add(&log->last) = strbuf_detach(&shown);
		return;
	}
	if (log->last.len == 0)
		return;
	slot = &log->last.items[log->last_first];
	free(*slot);
	*slot = strbuf_detach(&shown);
	log->last_first = (log->last_first + 1) % log->last.len;
}

static int show_kept(struct system_log *log, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < log->last.len; i++)
		strbuf_adds(&out, log->last.items[(log->last_first + i) % log->last.len]);
	array_foreach(line, &log->last)
		free(*line);
	log->last.len = log->last_first = 0;
	return out.len > 0 ? output_data(&log->cli->output, &out, err) : 0;
}

static void take_bytes(struct system_log *log, const char *bytes, size_t len)
{
	for (const char *end; (end = memchr(bytes, '\n', len)); bytes = end + 1) {
		strbuf_add(&log->line, bytes, (size_t)(end - bytes));
		len -= (size_t)(end + 1 - bytes);
		if (is_wanted(log))
			keep_line(log);
		strbuf_reset(&log->line);
	}
	strbuf_add(&log->line, bytes, len);
}

static int drain(struct system_log *log, struct error *err)
{
	cleanup_free char *block = xmalloc(BLOCK_SIZE);
	ssize_t n;

	while ((n = read(log->fd, block, BLOCK_SIZE)) > 0)
		take_bytes(log, block, (size_t)n);
	if (n < 0)
		return error_errno(err, errno, "daemon.log");
	return show_kept(log, err);
}

static int follow(struct system_log *log, const char *path, struct error *err)
{
	struct log_filter all = *log->filter;
	struct log_watch *watch = log_watch_new(err);
	int r;

	if (!watch || log_watch_add_file(watch, path, err) < 0) {
		log_watch_free(watch);
		return -1;
	}
	all.last = LOG_QUERY_ALL; /* of what comes nothing is left out */
	log->filter = &all;
	while ((r = drain(log, err)) == 0 && (r = cli_wait(log->cli, log_watch_fd(watch), err)) > 0)
		log_watch_clear(watch);
	log->filter = NULL;
	log_watch_free(watch);
	return r;
}

int system_log_show(struct cli *cli, const struct log_filter *filter, bool is_following,
                    struct error *err)
{
	cleanup_free char *path = paths_daemon_log(&cli->paths);
	struct system_log log = {.cli = cli, .filter = filter, .is_taking = true, .fd = -1};
	int r;

	log.line = (struct strbuf)STRBUF_INIT;
	if (is_following && cli_open_interrupt(cli, err) < 0)
		return -1;
	log.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (log.fd < 0 && errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "no daemon has run yet: there is no %s", path);
	if (log.fd < 0)
		return error_errno(err, errno, "%s", path);
	r = drain(&log, err);
	if (r == 0 && is_following)
		r = follow(&log, path, err);
	close_fd(&log.fd);
	array_release(&log.last);
	strbuf_release(&log.line);
	return r;
}
