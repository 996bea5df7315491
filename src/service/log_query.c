#include "service/log_query.h"

#include "base/array.h"
#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "service/log_pattern.h"

/* The first window when the last lines have to match something. */
#define WINDOW_FIRST 64
#define WINDOW_GROWS 8

struct source {
	char *log_dir;
	struct log_cursor *cursor; /* until the merge has it */
	uint32_t run_first, run_last;
	enum log_level level[LOG_ERR + 1]; /* of the last line, by stream */
};

/* A line that may be context of one that comes. */
struct kept {
	struct log_match match;
	struct strbuf data;
};

struct log_query {
	struct log_filter filter;
	char *literal; /* is in every line that matches the pattern; NULL: not known */
	ARRAY(struct source) sources;
	struct log_merge *merge;
	uint64_t skip;       /* matches before the last ones */
	struct kept *before; /* a ring of filter.context */
	size_t before_first, before_len;
	unsigned int after_left;
	struct log_match current; /* to be told when `before` is */
	bool has_current, has_told, is_apart;
	struct strbuf plain;
};

struct log_query *log_query_new(const struct log_filter *filter)
{
	struct log_query *query = xcalloc(1, sizeof(*query));

	query->filter = *filter;
	if (filter->pattern && filter->pattern_text)
		query->literal = log_pattern_literal(filter->pattern_text);
	query->merge = log_merge_new();
	query->plain = (struct strbuf)STRBUF_INIT;
	if (filter->context > 0)
		query->before = xcalloc(filter->context, sizeof(*query->before));
	for (unsigned int i = 0; i < filter->context; i++)
		query->before[i].data = (struct strbuf)STRBUF_INIT;
	return query;
}

void log_query_free(struct log_query *query)
{
	if (!query)
		return;
	for (unsigned int i = 0; i < query->filter.context; i++)
		strbuf_release(&query->before[i].data);
	free(query->before);
	array_foreach(source, &query->sources) {
		free(source->log_dir);
		log_cursor_free(source->cursor);
	}
	array_release(&query->sources);
	log_merge_free(query->merge);
	strbuf_release(&query->plain);
	free(query->literal);
	free(query);
}

/* --- what is wanted --- */

static bool is_about_text(const struct log_filter *filter)
{
	return filter->stream || filter->level || filter->pattern;
}

static bool is_in_range(const struct log_query *query, const struct source *source,
                        const struct log_entry *entry)
{
	const struct log_filter *filter = &query->filter;

	return entry->run >= source->run_first && entry->run <= source->run_last &&
	       (!filter->since_ns || entry->real_ns >= filter->since_ns) &&
	       (!filter->until_ns || entry->real_ns <= filter->until_ns);
}

/* Without colours and other escape sequences, so that a pattern finds what a reader sees. */
static void strip_escapes(const struct log_entry *entry, struct strbuf *out)
{
	const char *at = entry->data, *end = at + entry->len;

	strbuf_reset(out);
	while (at < end) {
		if (end - at > 1 && at[0] == '\033' && at[1] == '[') {
			for (at += 2; at < end && (*at < '@' || *at > '~'); at++)
				continue;
			at += at < end;
		} else {
			strbuf_addch(out, *at++);
		}
	}
}

static bool matches_pattern(const struct log_query *query, const char *text, size_t len)
{
	regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)len};

	if (query->literal && !memmem(text, len, query->literal, strlen(query->literal)))
		return query->filter.is_inverted;
	return (regexec(query->filter.pattern, text, 1, &whole, REG_STARTEND) == 0) !=
	       query->filter.is_inverted;
}

static bool is_grave_enough(const struct log_filter *filter, struct source *source,
                            enum log_stream stream, const char *text, size_t len)
{
	enum log_level level = log_level_of(text, len);

	if (level == LOG_LEVEL_UNKNOWN && len > 0 && (text[0] == ' ' || text[0] == '\t'))
		level = source->level[stream];
	if (level == LOG_LEVEL_UNKNOWN)
		level = LOG_LEVEL_INFO;
	source->level[stream] = level;
	return level >= filter->level;
}

/* Is it what the filters about text look for? */
static bool is_wanted(struct log_query *query, struct source *source, const struct log_entry *entry)
{
	const struct log_filter *filter = &query->filter;
	const char *text = entry->data;
	size_t len = entry->len;

	if (!is_about_text(filter))
		return true;
	if (entry->stream == LOG_EVENT || (filter->stream && entry->stream != filter->stream))
		return false;
	if (len > 0 && memchr(text, '\033', len)) {
		strip_escapes(entry, &query->plain);
		text = query->plain.buf;
		len = query->plain.len;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (filter->level && !is_grave_enough(filter, source, entry->stream, text, len))
		return false;
	return !filter->pattern || matches_pattern(query, text, len);
}

/* --- where to begin --- */

static int choose_runs(const struct log_filter *filter, struct source *source, struct error *err)
{
	uint32_t last = 0;

	source->run_last = UINT32_MAX;
	if (filter->run == 0 && !filter->since_start)
		return 0;
	if (log_last_run(source->log_dir, &last, err) < 0)
		return -1;
	source->run_first = last;
	if (filter->run > 0)
		source->run_first = source->run_last = (uint32_t)filter->run;
	else if (filter->run < 0) /* run 0 never was: nothing is shown */
		source->run_first = source->run_last =
			last > (uint32_t)-filter->run ? last - (uint32_t)-filter->run : 0;
	return 0;
}

int log_query_add(struct log_query *query, const char *log_dir, struct error *err)
{
	const struct log_filter *filter = &query->filter;
	struct source *source = array_add(&query->sources);

	source->log_dir = xstrdup(log_dir);
	source->cursor = log_cursor_new(log_dir, err);
	if (!source->cursor)
		return -1;
	/* Where a line that does not match matters to others, all are looked at. */
	if (!filter->is_inverted && filter->context == 0 && !filter->level)
		log_cursor_want(source->cursor, query->literal);
	return choose_runs(filter, source, err);
}

/* The first entry that may be in range. */
static int seek_base(struct log_query *query, struct source *source, struct error *err)
{
	uint64_t by_run;

	if (source->run_first > 0) {
		if (log_cursor_seek_run(source->cursor, source->run_first, err) < 0)
			return -1;
	} else if (log_cursor_seek_seq(source->cursor, 1, err) < 0) {
		return -1;
	}
	by_run = log_cursor_seq(source->cursor);
	if (!query->filter.since_ns)
		return 0;
	if (log_cursor_seek_time(source->cursor, query->filter.since_ns, err) < 0)
		return -1;
	if (log_cursor_seq(source->cursor) < by_run)
		return log_cursor_seek_seq(source->cursor, by_run, err);
	return 0;
}

/* The matches from the cursor on, up to `end`. */
static int count(struct log_query *query, struct source *source, uint64_t end, uint64_t *ret,
                 struct error *err)
{
	struct log_entry entry;
	int got = 1;

	*ret = 0;
	while (log_cursor_seq(source->cursor) < end &&
	       (got = log_cursor_next(source->cursor, &entry, err)) == 1)
		*ret += entry.kind == LOG_ENTRY_RECORD && is_in_range(query, source, &entry) &&
		        is_wanted(query, source, &entry);
	return got < 0 ? -1 : 0;
}

/* Puts the cursor so far back that the last matches come, or all; tells how many come. */
static int seek_last(struct log_query *query, struct source *source, uint64_t *ret,
                     struct error *err)
{
	uint64_t last = query->filter.last, window, base, start;

	if (seek_base(query, source, err) < 0)
		return -1;
	base = log_cursor_seq(source->cursor);
	window = last > UINT64_MAX / WINDOW_GROWS ? last : last + query->filter.context;
	if (is_about_text(&query->filter) && window < WINDOW_FIRST)
		window = WINDOW_FIRST;
	for (;; window *= WINDOW_GROWS) {
		if (log_cursor_seek_last(source->cursor, window, err) < 0)
			return -1;
		start = log_cursor_seq(source->cursor);
		if (start <= base || window > UINT64_MAX / WINDOW_GROWS) {
			start = base;
			if (seek_base(query, source, err) < 0)
				return -1;
		}
		if (count(query, source, UINT64_MAX, ret, err) < 0)
			return -1;
		memset(source->level, 0, sizeof(source->level));
		if (start == base)
			return seek_base(query, source, err);
		if (*ret >= last)
			return log_cursor_seek_seq(source->cursor, start, err);
	}
}

int log_query_begin(struct log_query *query, struct error *err)
{
	uint64_t all = 0;

	array_foreach(source, &query->sources) {
		uint64_t matches = 0;
		int r = query->filter.last == LOG_QUERY_ALL
		                ? seek_base(query, source, err)
		                : seek_last(query, source, &matches, err);

		if (r < 0)
			return -1;
		all += matches;
		log_merge_add(query->merge, source->cursor, array_index(&query->sources, source));
		source->cursor = NULL;
	}
	if (query->filter.last != LOG_QUERY_ALL && all > query->filter.last)
		query->skip = all - query->filter.last;
	return 0;
}

/* --- going through them --- */

static void keep_before(struct log_query *query, const struct log_match *match)
{
	size_t size = query->filter.context, at;
	struct kept *kept;

	if (size == 0)
		return;
	if (query->before_len == size) {
		query->before_first = (query->before_first + 1) % size;
		query->before_len--;
		query->is_apart = true;
	}
	at = (query->before_first + query->before_len++) % size;
	kept = &query->before[at];
	strbuf_reset(&kept->data);
	if (match->entry.kind == LOG_ENTRY_RECORD)
		strbuf_add(&kept->data, match->entry.data, match->entry.len);
	kept->match = *match;
	kept->match.entry.data = kept->data.buf;
}

static void tell(struct log_query *query, struct log_match *ret)
{
	if (query->before_len > 0) {
		*ret = query->before[query->before_first].match;
		query->before_first = (query->before_first + 1) % query->filter.context;
		query->before_len--;
	} else {
		*ret = query->current;
		query->has_current = false;
	}
	ret->is_apart = query->is_apart && query->has_told;
	query->is_apart = false;
	query->has_told = true;
}

/* Is this to be told now? */
static bool take(struct log_query *query, const struct log_match *match)
{
	struct source *source = &query->sources.items[match->tag];

	if (!is_in_range(query, source, &match->entry))
		return false;
	if (match->entry.kind != LOG_ENTRY_RECORD)
		return query->skip == 0;
	if (is_wanted(query, source, &match->entry)) {
		if (query->skip > 0) {
			query->skip--;
			return false;
		}
		query->after_left = query->filter.context;
		return true;
	}
	if (query->after_left > 0) {
		query->after_left--;
		return true;
	}
	keep_before(query, match);
	return false;
}

int log_query_next(struct log_query *query, struct log_match *ret, struct error *err)
{
	while (!query->has_current) {
		struct log_match match = {0};
		int got = log_merge_next(query->merge, &match.entry, &match.tag, err);

		if (got <= 0)
			return got;
		if (take(query, &match)) {
			query->current = match;
			query->has_current = true;
		}
	}
	tell(query, ret);
	return 1;
}
