#include "cli/progress.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"

#define FRAME_MS     100
#define HEARTBEAT_MS 10000

void progress_init(struct progress *progress, struct cli *cli, const char *label)
{
	int64_t now = clock_mono_ms();

	*progress = (struct progress){
		.cli = cli,
		.label = label,
		.begun_ms = now,
		.spoken_ms = now,
		.images = json_array(),
	};
}

void progress_release(struct progress *progress)
{
	array_foreach(row, &progress->rows) {
		free(row->name);
		free(row->state);
		free(row->phase);
		free(row->text);
		strv_release(&row->tail);
	}
	array_release(&progress->rows);
	json_decref(progress->images);
	json_decref(progress->result);
}

int64_t progress_elapsed_ms(const struct progress *progress)
{
	return clock_mono_ms() - progress->begun_ms;
}

const struct progress_row *progress_find(const struct progress *progress, const char *name)
{
	array_foreach(row, &progress->rows)
		if (str_eq(row->name, name))
			return row;
	return NULL;
}

static struct progress_row *row_of(struct progress *progress, const json_t *event)
{
	const char *name = json_get_str(event, "service", progress->label);
	struct progress_row *row;

	array_foreach(known, &progress->rows)
		if (str_eq(known->name, name))
			return known;
	row = array_add(&progress->rows);
	row->name = xstrdup(name);
	row->since_ms = clock_mono_ms();
	return row;
}

static void replace(char **field, const char *text)
{
	free(*field);
	*field = str_empty(text) ? NULL : style_safe_dup(text);
}

static bool is_final(const char *state, bool is_ready)
{
	static const char *const finals[] = {"stopped", "exited", "crashed", "blocked"};

	for (size_t i = 0; i < ARRAY_LEN(finals); i++)
		if (str_eq(state, finals[i]))
			return true;
	return is_ready;
}

/* "12:01:07 api  " */
static void add_stamp(struct strbuf *out, const struct progress_row *row)
{
	char time[CLOCK_TEXT_SIZE];

	clock_format_local_time(clock_real_ns(), time);
	strbuf_addf(out, "%.8s %s ", time, row->name);
}

static void say(struct progress *progress, const struct progress_row *row, const char *fmt, ...)
	printf_like(3, 4);

/* One plain line; on a terminal the live region says it already. */
static void say(struct progress *progress, const struct progress_row *row, const char *fmt, ...)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	va_list args;

	if (progress->cli->output.is_live || progress->cli->machine != MACHINE_OFF)
		return;
	add_stamp(&out, row);
	va_start(args, fmt);
	strbuf_vaddf(&out, fmt, args);
	va_end(args);
	strbuf_addch(&out, '\n');
	output_note(&progress->cli->output, &out);
	progress->spoken_ms = clock_mono_ms();
}

static const char *word(const struct progress_row *row)
{
	return row->is_ready && row->state ? "ready"
	       : row->phase                ? row->phase
	       : row->state                ? row->state
	                                   : "";
}

static void on_service(struct progress *progress, const json_t *event)
{
	struct progress_row *row = row_of(progress, event);
	const char *state = json_get_str(event, "state", "unknown");
	bool is_ready = json_get_bool(event, "ready", false);
	bool is_new = !row->state || !str_eq(row->state, state) || row->is_ready != is_ready;
	cleanup(strbuf_release) struct strbuf took = STRBUF_INIT;

	if (is_new && row->is_over)
		row->since_ms = clock_mono_ms(); /* it begins again */
	replace(&row->state, state);
	replace(&row->text, json_get_str(event, "detail", NULL));
	replace(&row->phase, NULL);
	row->is_ready = is_ready;
	row->is_over = is_final(state, is_ready);
	row->took_ms = clock_mono_ms() - row->since_ms;
	if (!is_new)
		return;
	if (row->is_over) {
		strbuf_addch(&took, ' ');
		style_duration(&took, row->took_ms);
	}
	say(progress, row, "%s%s%s%s", word(row), took.buf, row->text ? " " : "",
	    row->text ? row->text : "");
}

static void on_progress(struct progress *progress, const json_t *event)
{
	struct progress_row *row = row_of(progress, event);
	const char *phase = json_get_str(event, "phase", "");
	bool is_new = !row->phase || !str_eq(row->phase, phase);

	if (!row->phase)
		row->since_ms = clock_mono_ms();
	replace(&row->phase, phase);
	replace(&row->text, json_get_str(event, "text", NULL));
	row->is_over = false;
	if (is_new)
		say(progress, row, "phase=%s%s%s", row->phase ? row->phase : "",
		    row->text ? " " : "", row->text ? row->text : "");
}

/* Above the live region, for those who asked with -v. */
static void show_log(struct progress *progress, const struct progress_row *row, const char *text)
{
	struct output *output = &progress->cli->output;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (output->verbose == 0 || progress->cli->machine != MACHINE_OFF)
		return;
	strbuf_addf(&out, "%s ", row->name);
	style_glyph(&out, &output->err, GLYPH_BAR);
	strbuf_addch(&out, ' ');
	style_safe_sgr(&out, &output->err, text, strlen(text));
	strbuf_addch(&out, '\n');
	output_note(output, &out);
}

static void add_to_tail(struct strv *tail, const char *line)
{
	if (tail->len == PROGRESS_TAIL) {
		free(tail->items[0]);
		tail->len--;
		memmove(tail->items, tail->items + 1, tail->len * sizeof(*tail->items));
	}
	strv_add(tail, line);
}

static void on_log(struct progress *progress, const json_t *event)
{
	struct progress_row *row = row_of(progress, event);
	const char *text = json_get_str(event, "text", "");
	cleanup(strbuf_release) struct strbuf plain = STRBUF_INIT;

	style_safe_sgr(&plain, &(struct style){0}, text, strlen(text));
	free(row->text);
	row->text = xstrdup(plain.buf);
	add_to_tail(&row->tail, plain.buf);
	show_log(progress, row, text);
}

static void on_image(struct progress *progress, json_t *event)
{
	struct progress_row *row = row_of(progress, event);
	bool is_hit = json_get_bool(json_object_get(event, "result"), "hit", false);

	json_array_append(progress->images, event);
	replace(&row->phase, is_hit ? "image unchanged" : "image made");
	replace(&row->text, NULL);
	row->took_ms = clock_mono_ms() - row->since_ms;
	row->is_over = !row->state; /* without a service to start, this was it */
	row->is_ready = row->is_over;
	say(progress, row, "%s", row->phase);
}

static void add_row(const struct progress *progress, const struct progress_row *row, size_t width,
                    struct strbuf *out)
{
	const struct style *style = &progress->cli->output.err;
	bool is_waiting = row->state && str_eq(row->state, "waiting") && !row->phase;
	int64_t ms = row->is_over ? row->took_ms : clock_mono_ms() - row->since_ms;

	if (row->is_ready || (row->is_over && row->state && str_eq(row->state, "stopped")))
		style_glyph(out, style, GLYPH_OK);
	else if (row->is_over)
		style_glyph(out, style, GLYPH_FAIL);
	else if (is_waiting)
		style_glyph(out, style, GLYPH_WAIT);
	else
		style_text(out, style, COLOUR_CYAN, style_spinner(style, progress->frame));
	strbuf_addf(out, " %-*s  %s ", (int)width, row->name, word(row));
	if (row->is_over)
		style_duration(out, ms);
	else if (!is_waiting)
		style_age(out, ms);
	if (row->text && !row->is_ready) {
		strbuf_adds(out, "  ");
		style_text(out, style, COLOUR_DIM, row->text);
	}
	strbuf_addch(out, '\n');
}

/* In their own order; on a small screen what is not over comes first, as the rest is cut. */
static void draw(struct progress *progress)
{
	bool fits = progress->rows.len < (size_t)progress->cli->output.height;
	cleanup(strbuf_release) struct strbuf first = STRBUF_INIT, rest = STRBUF_INIT;
	size_t width = 0;

	array_foreach(row, &progress->rows)
		if (style_columns(row->name) > width)
			width = style_columns(row->name);
	array_foreach(row, &progress->rows)
		add_row(progress, row, width, fits || !row->is_over ? &first : &rest);
	strbuf_add(&first, rest.buf, rest.len);
	output_live(&progress->cli->output, &first);
}

static void heartbeat(struct progress *progress)
{
	if (clock_mono_ms() - progress->spoken_ms < HEARTBEAT_MS)
		return;
	array_foreach(row, &progress->rows) {
		cleanup(strbuf_release) struct strbuf elapsed = STRBUF_INIT;

		if (row->is_over)
			continue;
		style_duration(&elapsed, clock_mono_ms() - row->since_ms);
		say(progress, row, "%s elapsed=%s%s%s", word(row), elapsed.buf,
		    row->text ? " " : "", row->text ? row->text : "");
	}
}

static void on_tick(void *data)
{
	struct progress *progress = data;

	if (progress->cli->machine != MACHINE_OFF)
		return;
	progress->frame++;
	if (progress->cli->output.is_live)
		draw(progress);
	else
		heartbeat(progress);
}

static int on_also(void *data, struct error *err)
{
	const struct progress *progress = data;

	return progress->on_also(progress->also_data, err);
}

static int on_line(json_t *line, void *data, struct error *err)
{
	struct progress *progress = data;
	const char *event = json_get_str(line, "event", "");

	if (progress->on_event && progress->on_event(line, progress->also_data, err) < 0)
		return -1;
	if (progress->cli->machine != MACHINE_OFF) {
		if (cli_print_json(progress->cli, line, err) < 0)
			return -1;
	} else if (str_eq(event, "service")) {
		on_service(progress, line);
	} else if (str_eq(event, "progress")) {
		on_progress(progress, line);
	} else if (str_eq(event, "log")) {
		on_log(progress, line);
	} else if (str_eq(event, "image")) {
		on_image(progress, line);
	}
	if (str_eq(event, "result")) {
		json_decref(progress->result);
		progress->result = json_incref(line);
		if (progress->cli->machine != MACHINE_OFF)
			progress->cli->machine = MACHINE_TOLD;
		if (progress->on_result && json_get_bool(line, "ok", false))
			return progress->on_result(line, progress->data, err);
	}
	return 0;
}

int progress_run(struct progress *progress, const char *target, const json_t *body,
                 struct error *err)
{
	struct cli *cli = progress->cli;
	const struct client_watch watch = {
		.tick_ms = cli->output.is_live ? FRAME_MS : HEARTBEAT_MS / 10,
		.on_tick = on_tick,
		.on_also = progress->on_also ? on_also : NULL,
		.also_fd = progress->also_fd,
		.data = progress,
	};
	int r;

	if (cli_catch_interrupt(cli, &watch, err) < 0)
		return -1;
	r = cli_stream(cli, "POST", target, body, on_line, progress, err);
	output_live_end(&cli->output);
	if (r < 0)
		return -1;
	if (!progress->result)
		return error_set(err, ERR_DAEMON, "the daemon ended before the work was done");
	if (!json_get_bool(progress->result, "ok", false))
		return cli_take_error(cli, json_object_get(progress->result, "error"), err);
	return 0;
}

void progress_show_tails(const struct progress *progress)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (progress->cli->output.verbose > 0 || progress->cli->machine != MACHINE_OFF)
		return; /* shown already, as they came */
	array_foreach(row, &progress->rows)
		for (size_t i = 0; i < row->tail.len; i++)
			strbuf_addf(&out, "%s | %s\n", row->name, row->tail.items[i]);
	if (out.len > 0)
		output_error(&progress->cli->output, &out);
}
