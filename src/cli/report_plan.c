#include "cli/report_plan.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/table.h"

#include <inttypes.h>

static const struct {
	const char *action, *sign;
} signs[] = {{"restart", "~"}, {"start", "+"}, {"stop", "-"}};

static const struct table_column columns[] = {{0}, {0}, {.flex = true}, {.drop = 1}};

static void add_safe(struct strbuf *out, const char *text)
{
	style_safe(out, text, strlen(text));
}

/* "locald.toml:17" */
static char *place_of(const json_t *object)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *file = json_get_str(object, "file", NULL);
	int64_t line = json_get_int(object, "line", 0);

	if (file)
		add_safe(&out, file);
	if (file && line > 0)
		strbuf_addf(&out, ":%" PRId64, line);
	return strbuf_detach(&out);
}

static void add_quoted(struct strbuf *out, const char *text)
{
	strbuf_addch(out, '"');
	add_safe(out, text);
	strbuf_addch(out, '"');
}

/* "env LOG_LEVEL "info" → "debug"" */
static char *reason_text(const json_t *reason, const struct style *style)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *before = json_get_str(reason, "before", NULL);
	const char *after = json_get_str(reason, "after", NULL);

	add_safe(&out, json_get_str(reason, "what", "?"));
	if (!before && !after)
		return strbuf_detach(&out);
	strbuf_addch(&out, ' ');
	if (before)
		add_quoted(&out, before);
	if (before && after)
		strbuf_addf(&out, " %s ", style_glyph_text(style, GLYPH_ARROW));
	if (after)
		add_quoted(&out, after);
	strbuf_adds(&out, !before ? " is new" : !after ? " is gone" : "");
	return strbuf_detach(&out);
}

static void add_row(struct table *table, const json_t *item, const char *sign,
                    const struct style *style)
{
	const json_t *reasons = json_object_get(item, "reasons");
	cleanup_free char *name = style_safe_dup(json_get_str(item, "service", "?"));
	const json_t *reason;
	size_t i;

	table_add(table, xasprintf("%s %s", sign, name));
	table_add_copy(table, json_get_str(item, "action", ""));
	if (json_array_size(reasons) == 0) {
		table_add(table, style_safe_dup(json_get_str(item, "runs", "")));
		table_add(table, place_of(item));
	}
	json_array_foreach(reasons, i, reason) {
		if (i > 0) {
			table_add_copy(table, "");
			table_add_copy(table, "");
		}
		table_add(table, reason_text(reason, style));
		table_add(table, place_of(reason));
	}
}

static void add_unchanged(const json_t *plan, struct strbuf *out)
{
	const json_t *item;
	size_t i, count = 0;

	json_array_foreach(plan, i, item) {
		if (!str_eq(json_get_str(item, "action", ""), "unchanged"))
			continue;
		strbuf_adds(out, count++ == 0 ? "= " : ", ");
		add_safe(out, json_get_str(item, "service", "?"));
	}
	if (count > 0)
		strbuf_adds(out, " unchanged\n");
}

void report_plan(const json_t *plan, const struct style *style, struct strbuf *out)
{
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	const json_t *item;
	size_t i;

	for (size_t s = 0; s < ARRAY_LEN(signs); s++)
		json_array_foreach(plan, i, item)
			if (str_eq(json_get_str(item, "action", ""), signs[s].action))
				add_row(&table, item, signs[s].sign, style);
	table_render(&table, style, "", out);
	add_unchanged(plan, out);
}
