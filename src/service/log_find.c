#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "keeper/protocol.h"
#include "service/log_reader.h"

#include <inttypes.h>
#include <sys/param.h>

static inline void freep_cursor(struct log_cursor **cursor)
{
	log_cursor_free(*cursor);
}

/* A run's exit record is the last of its records, and only a younger run comes after it. */
#define LOOK_BACK 256

static bool is_event(const struct log_entry *entry, const char *name)
{
	size_t len;
	const char *value;

	if (entry->kind != LOG_ENTRY_RECORD || entry->stream != LOG_EVENT)
		return false;
	value = keeper_line_value(entry->data, entry->len, "event", &len);
	return value && len == strlen(name) && memcmp(value, name, len) == 0;
}

static int64_t number(const struct log_entry *entry, const char *key)
{
	return keeper_line_int(entry->data, entry->len, key, 0);
}

struct clocks {
	int64_t mono_ns, boot_ns, real_ns;
	uint32_t boot;
};

static struct clocks clocks_now(void)
{
	char boot_id[PROC_BOOT_ID_SIZE];

	proc_boot_id(boot_id);
	return (struct clocks){clock_mono_ns(), clock_boot_ns(), clock_real_ns(),
	                       log_record_boot(boot_id)};
}

/*
 * The wall clock may have been set meanwhile.  In this boot the monotonic clock, which stands still
 * while the machine sleeps, knows the least that it can be, and all its sleep is the most more.
 */
static int64_t ago_ms(const struct log_entry *entry, const struct clocks *now)
{
	int64_t ago_ns = now->real_ns - entry->real_ns;

	if (entry->boot == now->boot) {
		int64_t least_ns = now->mono_ns - entry->mono_ns;
		int64_t most_ns = least_ns + now->boot_ns - now->mono_ns;

		ago_ns = MAX(least_ns, MIN(ago_ns, most_ns));
	}
	return MAX(ago_ns, 0) / 1000000;
}

int log_find_exit(const char *log_dir, uint32_t run, struct log_exit *ret, struct error *err)
{
	cleanup(freep_cursor) struct log_cursor *cursor = log_cursor_new(log_dir, err);
	struct log_entry entry;
	int found, is_there = 0;

	if (!cursor || log_cursor_seek_last(cursor, LOOK_BACK, err) < 0)
		return -1;
	while ((found = log_cursor_next(cursor, &entry, err)) > 0) {
		struct clocks now;

		if (entry.run != run || !is_event(&entry, "exit"))
			continue;
		now = clocks_now();
		*ret = (struct log_exit){
			.code = (int)number(&entry, "code"),
			.signal = (int)number(&entry, "signal"),
			.killed = number(&entry, "killed") != 0,
			.killed_count = (int)number(&entry, "killed_count"),
			.requested = number(&entry, "requested") != 0,
			.run_ms = number(&entry, "run_ms"),
			.ago_ms = ago_ms(&entry, &now),
		};
		is_there = 1;
	}
	return found < 0 ? -1 : is_there;
}

int log_last_run(const char *log_dir, uint32_t *ret, struct error *err)
{
	cleanup(freep_cursor) struct log_cursor *cursor = log_cursor_new(log_dir, err);
	struct log_entry entry;
	uint32_t run = 0;
	int found;

	if (!cursor || log_cursor_seek_last(cursor, 1, err) < 0)
		return -1;
	while ((found = log_cursor_next(cursor, &entry, err)) > 0)
		run = entry.run;
	if (found == 0)
		*ret = run;
	return found;
}

#define LINE_MAX_LEN 512

int log_last_lines(const char *log_dir, uint32_t run, size_t max, struct strv *ret,
                   struct error *err)
{
	cleanup(freep_cursor) struct log_cursor *cursor = log_cursor_new(log_dir, err);
	cleanup(strv_release) struct strv lines = STRV_INIT;
	struct log_entry entry;
	int found;

	/* More than asked for: events and empty ends of lines are among them. */
	if (!cursor || log_cursor_seek_last(cursor, max + LOOK_BACK, err) < 0)
		return -1;
	while ((found = log_cursor_next(cursor, &entry, err)) > 0) {
		size_t len = entry.len;

		if (entry.kind != LOG_ENTRY_RECORD || entry.run != run)
			continue;
		/* A program that could not be executed said nothing; the keeper says why. */
		if (entry.stream == LOG_EVENT && is_event(&entry, "fail")) {
			const char *text = keeper_line_value(entry.data, entry.len, "text", &len);

			if (text)
				strv_add_take(&lines, xstrndup(text, len));
		}
		if (entry.stream == LOG_EVENT)
			continue;
		if (len > 0 && entry.data[len - 1] == '\n')
			len--;
		if (len > 0)
			strv_add_take(&lines, xstrndup(entry.data,
			                               len < LINE_MAX_LEN ? len : LINE_MAX_LEN));
	}
	if (found < 0)
		return -1;
	for (size_t i = lines.len > max ? lines.len - max : 0; i < lines.len; i++)
		strv_add(ret, lines.items[i]);
	return 0;
}

static void gap_text(const struct log_entry *entry, const char *why, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu64 " line%s", entry->gap_records,
	            entry->gap_records == 1 ? "" : "s");
	if (entry->gap_bytes > 0)
		strbuf_addf(out, " (%" PRIu64 " bytes)", entry->gap_bytes);
	strbuf_addf(out, " %s", why);
}

/* "exited code 1 (run 5, lived 0.8s)" */
static void exit_text(const struct log_entry *entry, struct strbuf *out)
{
	int signo = (int)number(entry, "signal");
	int64_t ms = number(entry, "run_ms"), killed = number(entry, "killed_count");

	if (signo != 0)
		strbuf_addf(out, "ended by SIG%s", sigabbrev_np(signo) ?: "?");
	else if (number(entry, "code") >= 0)
		strbuf_addf(out, "exited code %" PRId64, number(entry, "code"));
	else
		strbuf_adds(out, "ended, its exit code is unknown");
	if (killed > 0)
		strbuf_addf(out, ", %" PRId64 " process%s had to be killed", killed,
		            killed == 1 ? "" : "es");
	else if (number(entry, "killed"))
		strbuf_adds(out, ", had to be killed");
	strbuf_addf(out, " (run %" PRIu32 ", lived ", entry->run);
	if (ms < 60000)
		strbuf_addf(out, "%" PRId64 ".%" PRId64 "s)", ms / 1000, ms / 100 % 10);
	else if (ms < 3600000)
		strbuf_addf(out, "%" PRId64 "m%02" PRId64 "s)", ms / 60000, ms / 1000 % 60);
	else
		strbuf_addf(out, "%" PRId64 "h%02" PRId64 "m)", ms / 3600000, ms / 60000 % 60);
}

static void event_text(const struct log_entry *entry, struct strbuf *out)
{
	const char *text;
	size_t len;

	if (is_event(entry, "start")) {
		strbuf_addf(out, "run %" PRIu32 " pid %" PRId64, entry->run, number(entry, "pid"));
	} else if (is_event(entry, "adopt")) {
		strbuf_addf(out,
		            "the keeper of run %" PRIu32
		            " was lost, another took over pid %" PRId64,
		            entry->run, number(entry, "pid"));
	} else if (is_event(entry, "stop")) {
		strbuf_addf(out, "stopping run %" PRIu32, entry->run);
	} else if (is_event(entry, "fail")) {
		text = keeper_line_value(entry->data, entry->len, "text", &len);
		strbuf_adds(out, "could not start: ");
		if (text)
			strbuf_add(out, text, len);
	} else if (is_event(entry, "exit")) {
		exit_text(entry, out);
	} else {
		strbuf_add(out, entry->data, entry->len);
	}
}

void log_entry_text(const struct log_entry *entry, struct strbuf *out)
{
	size_t len = entry->len;

	switch (entry->kind) {
	case LOG_ENTRY_EVICTED:
		gap_text(entry, "not kept any more", out);
		return;
	case LOG_ENTRY_DROPPED:
		gap_text(entry, "dropped, the disk was full", out);
		return;
	case LOG_ENTRY_RECORD:
		break;
	}
	if (entry->stream == LOG_EVENT) {
		event_text(entry, out);
		return;
	}
	if (len > 0 && entry->data[len - 1] == '\n')
		len--;
	strbuf_add(out, entry->data, len);
}
