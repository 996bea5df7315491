#include "config/diag.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"

#define SOURCE_MAX 400 /* bytes of a source line that are kept */

static const struct id_title {
	const char *id, *title;
} titles[] = {
	{"C001", "a file cannot be read"},
	{"C002", "syntax error in TOML"},
	{"C010", "a value of the wrong type"},
	{"C011", "a value that is not allowed"},
	{"C012", "unknown key"},
	{"C013", "not supported yet"},
	{"C014", "the same key twice"},
	{"C015", "a key that does not belong in this file"},
	{"C016", "too many services"},
	{"C020", "invalid name"},
	{"C021", "missing command"},
	{"C022", "container mode without build or image"},
	{"C023", "no services"},
	{"C024", "settings that contradict each other"},
	{"C025", "services that share a URL"},
	{"C030", "unknown dependency"},
	{"C031", "dependency cycle"},
	{"C032", "a dependency that never completes"},
	{"C033", "unknown reference"},
	{"C034", "syntax error in a reference"},
	{"C040", "missing working directory"},
	{"C041", "syntax error in an env file"},
	{"C042", "syntax error in a Procfile"},
	{"C043", "syntax error in package.json"},
	{"C044", "missing env file"},
	{"C045", "a database that cannot run here"},
	{"C046", "a YAML file that cannot be imported"},
	{"W001", "a file was ignored"},
	{"W002", "a key without effect"},
	{"W003", "left out of an import"},
};

const char *diag_title(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (str_eq(titles[i].id, id))
			return titles[i].title;
	return NULL;
}

const char *diag_id_at(size_t n)
{
	return n < ARRAY_LEN(titles) ? titles[n].id : NULL;
}

static void diagnostic_release(struct diagnostic *diag)
{
	array_foreach(place, &diag->places) {
		free(place->file);
		free(place->source);
		free(place->label);
	}
	array_release(&diag->places);
	free(diag->text);
	free(diag->help);
}

void diagnostics_release(struct diagnostics *diags)
{
	array_foreach(diag, &diags->items)
		diagnostic_release(diag);
	array_release(&diags->items);
	diags->dropped = 0;
}

struct diagnostic *diag_add(struct diagnostics *diags, const char *id, const char *fmt, ...)
{
	struct diagnostic *diag;
	va_list args;

	if (diags->items.len >= DIAG_MAX) {
		/* The last place is written over: whoever adds may go on describing. */
		diags->dropped++;
		diag = &diags->items.items[diags->items.len - 1];
		diagnostic_release(diag);
		*diag = (struct diagnostic){0};
	} else {
		diag = array_add(&diags->items);
	}
	str_copy(diag->id, sizeof(diag->id), id);
	va_start(args, fmt);
	diag->text = xvasprintf(fmt, args);
	va_end(args);
	return diag;
}

/* The n-th line, without its newline; NULL when there is none. */
static char *source_line(const struct diag_source *source, int n)
{
	const char *at = source->text, *end = at ? at + source->len : NULL;
	const char *newline;
	size_t len;

	for (int line = 1; at && line < n; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (at)
			at++;
	}
	if (!at || n < 1 || at == end)
		return NULL;
	newline = memchr(at, '\n', (size_t)(end - at));
	len = newline ? (size_t)(newline - at) : (size_t)(end - at);
	if (len > 0 && at[len - 1] == '\r')
		len--;
	return xstrndup(at, len > SOURCE_MAX ? SOURCE_MAX : len);
}

void diag_at(struct diagnostic *diag, const struct diag_source *source, struct toml_pos pos,
             const char *label)
{
	struct diag_place *place = array_add(&diag->places);

	place->file = xstrdup(source->name);
	place->pos = pos;
	place->source = source_line(source, pos.line);
	place->label = xstrdup_null(label);
}

void diag_help(struct diagnostic *diag, const char *fmt, ...)
{
	va_list args;

	free(diag->help);
	va_start(args, fmt);
	diag->help = xvasprintf(fmt, args);
	va_end(args);
}

bool diag_has(const struct diagnostics *diags, const char *id)
{
	array_foreach(diag, &diags->items)
		if (str_eq(diag->id, id))
			return true;
	return false;
}

bool diag_is_error(const struct diagnostic *diag)
{
	return diag->id[0] != 'W';
}

size_t diag_error_count(const struct diagnostics *diags)
{
	size_t count = diags->dropped;

	array_foreach(diag, &diags->items)
		count += diag_is_error(diag);
	return count;
}

static void add_place_name(const struct diag_place *place, struct strbuf *out)
{
	strbuf_adds(out, place->file);
	if (place->pos.line > 0)
		strbuf_addf(out, ":%d:%d", place->pos.line, place->pos.column);
}

int diag_to_error(const struct diagnostics *diags, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t count = diag_error_count(diags);

	array_foreach(diag, &diags->items) {
		if (!diag_is_error(diag))
			continue;
		if (diag->places.len > 0) {
			add_place_name(&diag->places.items[0], &text);
			strbuf_adds(&text, ": ");
		}
		strbuf_adds(&text, diag->text);
		if (count > 1)
			strbuf_addf(&text, " (and %zu more)", count - 1);
		error_set(err, ERR_CONFIG, "%s", text.buf);
		return diag->help ? error_hint(err, "%s", diag->help) : -1;
	}
	return error_set(err, ERR_CONFIG, "the configuration is wrong");
}

/* --- rendering --- */

#define BOLD_RED    "\033[1;31m"
#define BOLD_YELLOW "\033[1;33m"
#define BLUE        "\033[34m"

static void add_painted(struct strbuf *out, bool colour, const char *paint, const char *text)
{
	strbuf_adds(out, colour ? paint : "");
	strbuf_adds(out, text);
	strbuf_adds(out, colour ? "\033[0m" : "");
}

/* A terminal must not obey what a file says; a tab is kept, it moves as in the line above. */
static void add_printable(struct strbuf *out, const char *text)
{
	for (; *text; text++)
		strbuf_addch(out, ((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f
		                          ? '?'
		                          : *text);
}

static void add_head(const struct diagnostic *diag, bool colour, struct strbuf *out)
{
	cleanup_free char *head =
		xasprintf("%s[%s]", diag_is_error(diag) ? "error" : "warning", diag->id);

	add_painted(out, colour, diag_is_error(diag) ? BOLD_RED : BOLD_YELLOW, head);
	strbuf_adds(out, ": ");
	add_printable(out, diag->text);
	strbuf_addch(out, '\n');
}

/* "  --> a:1:2  x · b:3:4  y": several places, without their source. */
static void add_place_list(const struct diagnostic *diag, bool colour, struct strbuf *out)
{
	const char *before = "  --> ";

	array_foreach(place, &diag->places) {
		add_painted(out, colour, BLUE, before);
		add_place_name(place, out);
		if (place->label) {
			strbuf_adds(out, "  ");
			add_printable(out, place->label);
		}
		before = " · ";
	}
	strbuf_addch(out, '\n');
}

/* Spaces and tabs that are as wide as the first `len` bytes of the line, then the carets. */
static void add_carets(const struct diag_place *place, bool colour, struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf carets = STRBUF_INIT;
	size_t len = strlen(place->source), at = 0, end;

	for (; at < len && at + 1 < (size_t)place->pos.column; at++)
		if ((place->source[at] & 0xc0) != 0x80)
			strbuf_addch(out, place->source[at] == '\t' ? '\t' : ' ');
	end = at + (size_t)(place->pos.length > 0 ? place->pos.length : 1);
	for (; at < end && at < len; at++)
		if ((place->source[at] & 0xc0) != 0x80)
			strbuf_addch(&carets, '^');
	if (carets.len == 0)
		strbuf_addch(&carets, '^');
	add_painted(out, colour, BOLD_RED, carets.buf);
}

static void add_source(const struct diagnostic *diag, const struct diag_place *place, bool colour,
                       struct strbuf *out)
{
	cleanup_free char *number = xasprintf("%d", place->pos.line);
	cleanup_free char *gutter = xasprintf("%*s | ", (int)strlen(number), "");
	cleanup_free char *head = xasprintf("%s | ", number);

	strbuf_addf(out, "%*s", (int)strlen(number), "");
	add_painted(out, colour, BLUE, " |");
	strbuf_addch(out, '\n');
	add_painted(out, colour, BLUE, head);
	add_printable(out, place->source);
	strbuf_addch(out, '\n');
	add_painted(out, colour, BLUE, gutter);
	add_carets(place, colour, out);
	if (diag->help) {
		strbuf_adds(out, " help: ");
		add_printable(out, diag->help);
	}
	strbuf_addch(out, '\n');
}

void diag_render(const struct diagnostic *diag, bool colour, struct strbuf *out)
{
	const struct diag_place *first = diag->places.items;

	add_head(diag, colour, out);
	if (diag->places.len > 0)
		add_place_list(diag, colour, out);
	if (diag->places.len == 1 && first->source && first->pos.column > 0) {
		add_source(diag, first, colour, out);
	} else if (diag->help) {
		add_painted(out, colour, BLUE, "   = ");
		strbuf_adds(out, "help: ");
		add_printable(out, diag->help);
		strbuf_addch(out, '\n');
	}
}

void diag_render_all(const struct diagnostics *diags, bool colour, struct strbuf *out)
{
	array_foreach(diag, &diags->items) {
		if (diag > diags->items.items)
			strbuf_addch(out, '\n');
		diag_render(diag, colour, out);
	}
	if (diags->dropped > 0)
		strbuf_addf(out, "\nand %zu more\n", diags->dropped);
}
