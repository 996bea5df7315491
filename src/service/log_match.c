#include "service/log_match.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "loop/loop.h"
#include "service/log_reader.h"

#include <regex.h>

#define LINES_AT_ONCE 4096
#define LINE_MAX_LEN  65536 /* of a longer line this much is looked at */
#define POLL_MS       1000

struct log_match {
	struct log_matcher *matcher;
	char *log_dir;
	uint32_t run;
	regex_t regex;
	bool has_regex;
	struct log_cursor *cursor;
	struct strbuf lines[2]; /* begun on stdout and on stderr */
	struct loop_source *step;
	struct error err;
	log_match_fn *fn;
	void *data;
};

/* --- the watch that all share --- */

static void look_at_all(struct log_matcher *matcher)
{
	array_foreach(match, &matcher->matches)
		loop_timer_set((*match)->step, 0);
}

static void on_growth(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct log_matcher *matcher = data;

	log_watch_clear(matcher->watch);
	look_at_all(matcher);
}

static void on_poll(struct loop_source *source, void *data)
{
	look_at_all(data);
	loop_timer_set(source, POLL_MS);
}

static int watch(struct log_matcher *matcher, const char *log_dir)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (!matcher->watch)
		matcher->watch = log_watch_new(&err);
	if (!matcher->watch || log_watch_add(matcher->watch, log_dir, &err) < 0)
		return -1;
	if (matcher->source)
		return 0;
	return loop_add_fd(matcher->loop, log_watch_fd(matcher->watch), LOOP_READ, on_growth,
	                   matcher, &matcher->source, &err);
}

static void leave(struct log_match *match)
{
	struct log_matcher *matcher = match->matcher;

	array_foreach(at, &matcher->matches) {
		if (*at == match) {
			array_remove(&matcher->matches, at);
			break;
		}
	}
	if (matcher->matches.len > 0)
		return;
	array_release(&matcher->matches);
	loop_source_free(take_ptr(matcher->source));
	loop_source_free(take_ptr(matcher->poll));
	log_watch_free(take_ptr(matcher->watch));
}

/* --- one line --- */

/* Takes out what colours and moves the cursor: ESC [ … a letter. */
static void strip_sequences(struct strbuf *line)
{
	size_t out = 0;

	for (size_t i = 0; i < line->len; i++) {
		if (line->buf[i] != '\033' || i + 1 >= line->len || line->buf[i + 1] != '[') {
			line->buf[out++] = line->buf[i];
			continue;
		}
		i += 2;
		while (i < line->len && (line->buf[i] < '@' || line->buf[i] > '~'))
			i++;
	}
	strbuf_truncate(line, out);
}

static bool matches(const struct log_match *match, struct strbuf *line)
{
	regmatch_t part = {0};

	strip_sequences(line);
	while (line->len > 0 && strchr("\r\n", line->buf[line->len - 1]))
		strbuf_truncate(line, line->len - 1);
	part.rm_eo = (regoff_t)line->len;
	return regexec(&match->regex, line->buf, 1, &part, REG_STARTEND) == 0;
}

/* True when the entry ends a line that matches. */
static bool take_entry(struct log_match *match, const struct log_entry *entry)
{
	struct strbuf *line;
	size_t room;
	bool is_match;

	if (entry->kind != LOG_ENTRY_RECORD || entry->stream == LOG_EVENT ||
	    entry->run != match->run)
		return false;
	line = &match->lines[entry->stream == LOG_ERR];
	room = LINE_MAX_LEN - line->len;
	strbuf_add(line, entry->data, entry->len < room ? entry->len : room);
	if (entry->flags & LOG_CONT)
		return false;
	is_match = matches(match, line);
	strbuf_reset(line);
	return is_match;
}

static void step(struct loop_source *source, void *data)
{
	struct log_match *match = data;
	struct log_entry entry;
	int found = 0;

	if (match->err.code) {
		match->fn(&match->err, match->data);
		return;
	}
	for (int i = 0; i < LINES_AT_ONCE; i++) {
		found = log_cursor_next(match->cursor, &entry, &match->err);
		if (found <= 0)
			break;
		if (take_entry(match, &entry)) {
			match->fn(NULL, match->data);
			return;
		}
	}
	if (found != 0)
		loop_timer_set(source, 0); /* there is more, or an error to tell */
}

/* --- life --- */

static int begin(struct log_match *match, const char *pattern)
{
	int bad = regcomp(&match->regex, pattern, REG_EXTENDED | REG_NOSUB);
	char text[128];

	if (bad) {
		regerror(bad, &match->regex, text, sizeof(text));
		return error_set(&match->err, ERR_CONFIG, "pattern: %s", text);
	}
	match->has_regex = true;
	match->cursor = log_cursor_new(match->log_dir, &match->err);
	return match->cursor ? log_cursor_seek_run(match->cursor, match->run, &match->err) : -1;
}

struct log_match *log_match_new(struct log_matcher *matcher, const char *log_dir, uint32_t run,
                                const char *pattern, log_match_fn *fn, void *data)
{
	struct log_match *match = xcalloc(1, sizeof(*match));

	match->matcher = matcher;
	match->log_dir = xstrdup(log_dir);
	match->run = run;
	match->fn = fn;
	match->data = data;
	match->lines[0] = match->lines[1] = (struct strbuf)STRBUF_INIT;
	match->step = loop_add_timer(matcher->loop, 0, step, match);
	*array_add(&matcher->matches) = match;
	/* The watch first: what is written from here on is told. */
	if (watch(matcher, log_dir) < 0 && !matcher->poll)
		matcher->poll = loop_add_timer(matcher->loop, POLL_MS, on_poll, matcher);
	(void)begin(match, pattern); /* step() tells what was wrong */
	return match;
}

void log_match_free(struct log_match *match)
{
	if (!match)
		return;
	leave(match);
	loop_source_free(match->step);
	log_cursor_free(match->cursor);
	if (match->has_regex)
		regfree(&match->regex);
	strbuf_release(&match->lines[0]);
	strbuf_release(&match->lines[1]);
	error_release(&match->err);
	free(match->log_dir);
	free(match);
}
