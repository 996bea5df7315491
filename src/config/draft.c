#include "config/draft.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/project.h"
#include "config/project_read.h"
#include "config/toml_write.h"

#define ROUNDS_MAX 200 /* of settling: each leaves out a line at least */

static void section_release(struct draft_section *section)
{
	array_foreach(line, &section->lines) {
		free(line->text);
		free(line->note);
		free(line->why);
	}
	array_release(&section->lines);
	free(section->name);
	free(section->source);
	free(section->note);
	free(section->why);
}

void draft_release(struct draft *draft)
{
	array_foreach(section, &draft->services) {
		section_release(*section);
		free(*section);
	}
	array_release(&draft->services);
	section_release(&draft->project);
	section_release(&draft->env);
	diagnostics_release(&draft->diags);
	free(draft->title);
}

static char *note_of(struct draft_origin from)
{
	if (!from.source)
		return NULL;
	return from.pos.line > 0 ? xasprintf("%s:%d", from.source->name, from.pos.line)
	                         : xstrdup(from.source->name);
}

/* --- services --- */

/* Names that make the same URL are the same here. */
static bool is_taken(const struct draft *draft, const char *name)
{
	cleanup_free char *label = config_make_label(name);

	array_foreach(section, &draft->services) {
		cleanup_free char *other = config_make_label((*section)->name);

		if (str_eq_null(label, other))
			return true;
	}
	return false;
}

static char *free_name(const struct draft *draft, const char *wanted)
{
	char *name = config_is_name(wanted) ? xstrdup(wanted) : config_make_label(wanted);

	if (!name)
		name = xstrdup("service");
	for (int n = 2; is_taken(draft, name); n++) {
		cleanup_free char *base = xstrndup(wanted, 50);
		cleanup_free char *label = config_make_label(base);

		free(name);
		name = xasprintf("%s-%d", label ? label : "service", n);
	}
	return name;
}

struct draft_section *draft_add_service(struct draft *draft, const char *name,
                                        struct draft_origin from)
{
	struct draft_section *section = xcalloc(1, sizeof(*section));

	section->name = free_name(draft, name);
	section->source = xstrdup(name);
	section->note = note_of(from);
	section->from = from;
	*array_add(&draft->services) = section;
	return section;
}

struct draft_section *draft_find_service(const struct draft *draft, const char *source)
{
	array_foreach(section, &draft->services)
		if (str_eq((*section)->source, source))
			return *section;
	return NULL;
}

size_t draft_count(const struct draft *draft)
{
	size_t count = 0;

	array_foreach(section, &draft->services)
		count += !(*section)->why;
	return count;
}

/* --- lines --- */

static struct draft_line *add_line(struct draft_section *section, struct draft_origin from,
                                   struct strbuf *text)
{
	struct draft_line *line = array_add(&section->lines);

	if (text->len > 0 && text->buf[text->len - 1] == '\n')
		strbuf_truncate(text, text->len - 1);
	line->text = strbuf_detach(text);
	line->note = note_of(from);
	line->from = from;
	return line;
}

/* A script of several lines stays one that can be read, where TOML's ''' allows it. */
static bool is_script(const char *value)
{
	if (!strchr(value, '\n') || strstr(value, "'''") || str_ends(value, "'"))
		return false;
	for (; *value; value++)
		if (((unsigned char)*value < 0x20 && *value != '\n' && *value != '\t') ||
		    *value == 0x7f)
			return false;
	return true;
}

void draft_put_str(struct draft_section *section, struct draft_origin from, const char *table,
                   const char *key, const char *value)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (table)
		strbuf_addf(&text, "%s.", table);
	if (is_script(value) && !strpbrk(key, ". "))
		strbuf_addf(&text, "%s = '''\n%s'''", key, value);
	else
		toml_put_str(&text, key, value);
	add_line(section, from, &text);
}

void draft_put_int(struct draft_section *section, struct draft_origin from, const char *key,
                   int64_t value)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	toml_put_int(&text, key, value);
	add_line(section, from, &text);
}

void draft_put_bool(struct draft_section *section, struct draft_origin from, const char *key,
                    bool value)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	toml_put_bool(&text, key, value);
	add_line(section, from, &text);
}

void draft_put_strv(struct draft_section *section, struct draft_origin from, const char *key,
                    const struct strv *items)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	toml_put_strv(&text, key, items);
	add_line(section, from, &text);
}

void draft_put_toml(struct draft_section *section, struct draft_origin from, const char *toml)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, toml);
	add_line(section, from, &text);
}

bool draft_has(const struct draft_section *section, const char *key)
{
	size_t len = strlen(key);

	array_foreach(line, &section->lines)
		if (!line->why && strncmp(line->text, key, len) == 0 &&
		    strchr(" .", line->text[len]))
			return true;
	return false;
}

/* --- what is left out --- */

static void warn(struct draft *draft, struct draft_origin from, const char *text)
{
	struct diagnostic *diag = diag_add(&draft->diags, "W003", "%s", text);

	if (from.source)
		diag_at(diag, from.source, from.pos, NULL);
}

/* One line of comment, whatever is in it. */
static void add_comment(struct strbuf *out, const char *text)
{
	strbuf_adds(out, "# ");
	for (; *text; text++) {
		if (*text == '\n' && text[1])
			strbuf_adds(out, "\n# ");
		else if ((unsigned char)*text >= 0x20 || *text == '\t')
			strbuf_addch(out, *text == 0x7f ? '?' : *text);
	}
}

void draft_remark(struct draft_section *section, const char *text)
{
	cleanup(strbuf_release) struct strbuf comment = STRBUF_INIT;

	add_comment(&comment, text);
	add_line(section, (struct draft_origin){0}, &comment);
}

void draft_leave_out(struct draft *draft, struct draft_section *section, struct draft_origin from,
                     const char *fmt, ...)
{
	cleanup(strbuf_release) struct strbuf comment = STRBUF_INIT;
	cleanup_free char *text = NULL, *note = note_of(from), *whole = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	warn(draft, from, text);
	whole = xasprintf("left out: %s%s%s%s", text, note ? "  (" : "", note ? note : "",
	                  note ? ")" : "");
	for (char *c = whole; *c; c++)
		if (*c == '\n')
			*c = ' ';
	add_comment(&comment, whole);
	add_line(section, (struct draft_origin){0}, &comment);
}

void draft_skip(struct draft *draft, struct draft_section *section, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	if (section->why)
		return;
	warn(draft, section->from, text);
	section->why = take_ptr(text);
}

/* --- the text --- */

struct writer {
	struct strbuf *out;
	int line; /* that comes next */
};

static void write_text(struct writer *writer, const char *text)
{
	strbuf_adds(writer->out, text);
	strbuf_addch(writer->out, '\n');
	for (; *text; text++)
		writer->line += *text == '\n';
	writer->line++;
}

static void write_line(struct writer *writer, struct draft_line *line, bool is_comment)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf whole = STRBUF_INIT;

	strbuf_adds(&text, line->text);
	if (line->note)
		strbuf_addf(&text, "  # %s", line->note);
	line->first = writer->line;
	if (line->why) {
		strbuf_addf(&whole, "left out: %s\n%s", line->why, text.buf);
		strbuf_reset(&text);
		add_comment(&text, whole.buf);
	} else if (is_comment && line->text[0] != '#') {
		strbuf_adds(&whole, text.buf);
		strbuf_reset(&text);
		add_comment(&text, whole.buf);
	}
	write_text(writer, text.buf);
	line->last = writer->line - 1;
}

static void write_section(struct writer *writer, struct draft_section *section, const char *table)
{
	cleanup(strbuf_release) struct strbuf head = STRBUF_INIT, text = STRBUF_INIT;

	if (section->lines.len == 0 && !section->name)
		return;
	write_text(writer, "");
	if (section->name)
		toml_put_table(&head, "services", section->name, NULL);
	else
		toml_put_table(&head, table, NULL);
	strbuf_truncate(&head, head.len - 1);
	if (section->note)
		strbuf_addf(&head, "  # %s", section->note);
	if (section->why) {
		cleanup_free char *whole = xasprintf("left out: %s\n%s", section->why, head.buf);

		add_comment(&text, whole);
	} else {
		strbuf_adds(&text, head.buf);
	}
	section->first = writer->line;
	write_text(writer, text.buf);
	array_foreach(line, &section->lines)
		write_line(writer, line, section->why != NULL);
}

void draft_render(struct draft *draft, struct strbuf *out)
{
	struct writer writer = {out, 1};
	cleanup_free char *title = xasprintf(
		"# What `locald up` runs here, made by %s; the notes say from what.\n"
		"# `locald config check` checks it, `locald config schema` lists all keys.",
		draft->title ? draft->title : "`locald init`");

	strbuf_reset(out);
	write_text(&writer, title);
	write_section(&writer, &draft->project, "project");
	write_section(&writer, &draft->env, "env");
	array_foreach(section, &draft->services)
		write_section(&writer, *section, NULL);
}

/* --- against the schema --- */

static bool leave_out_line(struct draft *draft, struct draft_section *section, int number,
                           const char *why)
{
	array_foreach(line, &section->lines) {
		if (line->text[0] == '#' || line->why || number < line->first ||
		    number > line->last)
			continue;
		line->why = xstrdup(why);
		warn(draft, line->from.source ? line->from : section->from, why);
		return true;
	}
	return false;
}

static bool leave_out(struct draft *draft, int number, const char *why)
{
	if (leave_out_line(draft, &draft->project, number, why) ||
	    leave_out_line(draft, &draft->env, number, why))
		return true;
	array_foreach(section, &draft->services) {
		if ((*section)->why)
			continue;
		if ((*section)->first == number) {
			draft_skip(draft, *section, "%s", why);
			return true;
		}
		if (leave_out_line(draft, *section, number, why))
			return true;
	}
	return false;
}

/* The first place of each finding; false when none is a line of the draft. */
static bool leave_out_refused(struct draft *draft, const struct diagnostics *refused)
{
	bool did = false;

	array_foreach(diag, &refused->items) {
		if (!diag_is_error(diag))
			continue;
		array_foreach(place, &diag->places) {
			if (!str_eq(place->file, PROJECT_FILE) ||
			    !leave_out(draft, place->pos.line, diag->text))
				continue;
			did = true;
			break;
		}
	}
	return did;
}

int draft_settle(struct draft *draft, const char *root, const char *user_config,
                 struct diagnostics *refused, struct error *err)
{
	for (int round = 0;; round++) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		cleanup_project struct project_config *project = NULL;

		draft_render(draft, &text);
		project = project_load_text(root, user_config, text.buf, text.len, refused, err);
		if (project)
			return 0;
		if (round == ROUNDS_MAX || !leave_out_refused(draft, refused))
			return -1;
		error_release(err);
		*err = (struct error)ERROR_INIT;
		diagnostics_release(refused);
	}
}
