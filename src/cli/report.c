#include "cli/report.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/service_text.h"
#include "cli/table.h"

#include <inttypes.h>

bool report_any_failed(const json_t *project)
{
	return service_count(project).failed > 0;
}

/* "GET / 200 12ms", "container": what is worth saying beside an address. */
static char *remark(const json_t *service, bool with_mode)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (with_mode)
		service_add_text(&out, json_get_str(service, "mode", ""));
	if (!json_get_bool(service, "ready", false)) {
		strbuf_adds(&out, out.len > 0 ? "  " : "");
		service_add_text(&out, service_state(service));
	}
	return strbuf_detach(&out);
}

static void add_addresses(const json_t *project, const struct style *style, struct strbuf *out)
{
	static const struct table_column columns[] = {{0}, {0}, {.drop = 1}};
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	const json_t *services = json_object_get(project, "services");
	const json_t *service;
	bool with_mode = services_have_container(services);
	size_t i;
	json_array_foreach(services, i, service) {
		if (service_is_at_rest(service))
			continue;
		table_add(&table, service_text(service, "name", "?"));
		table_add(&table, service_address(service, style));
		table_add(&table, remark(service, with_mode));
	}
	table_render(&table, style, "  ", out);
}

bool report_did_nothing(const json_t *result)
{
	return json_array_size(json_object_get(result, "started")) == 0 &&
	       json_array_size(json_object_get(result, "restarted")) == 0 &&
	       json_array_size(json_object_get(result, "stopped")) == 0;
}

void report_up(const json_t *result, int64_t ms, const struct style *style, struct strbuf *out)
{
	const json_t *project = json_object_get(result, "project");
	cleanup_free char *name = service_text(project, "name", "?");
	struct service_counts counts = service_count(project);
	size_t restarted = json_array_size(json_object_get(result, "restarted"));
	const json_t *service;
	size_t i;

	style_glyph(out, style, GLYPH_OK);
	if (report_did_nothing(result)) {
		strbuf_addf(out, " %s: %zu running, nothing to do (", name, counts.ready);
		style_duration(out, ms);
		strbuf_adds(out, ")\n");
		return;
	}
	if (restarted > 0 && json_array_size(json_object_get(result, "started")) == 0)
		strbuf_addf(out, " %s: %zu restarted, %zu ready in ", name, restarted,
		            counts.ready);
	else
		strbuf_addf(out, " %s: %zu ready in ", name, counts.ready);
	style_duration(out, ms);
	strbuf_addch(out, '\n');
	add_addresses(project, style, out);
	json_array_foreach(json_object_get(project, "services"), i, service)
		service_add_warnings(out, service);
}

static void add_lines(const json_t *lines, const struct style *style, struct strbuf *out)
{
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line) {
		if (!json_is_string(line))
			continue;
		strbuf_adds(out, "    ");
		style_safe_sgr(out, style, json_string_value(line), json_string_length(line));
		strbuf_addch(out, '\n');
	}
}

static void add_failed(const json_t *service, const struct style *style, struct strbuf *out)
{
	cleanup_free char *name = service_text(service, "name", "?");
	cleanup_free char *detail = service_text(service, "detail", service_state(service));
	int64_t next = json_get_int(service, "next_try_ms", -1);

	style_glyph(out, style, GLYPH_FAIL);
	strbuf_addf(out, " %s %s", name, detail);
	if (next >= 0) {
		strbuf_addf(out, " %s next try in ", style->unicode ? "·" : "-");
		style_duration(out, next);
	}
	strbuf_addch(out, '\n');
	add_lines(json_object_get(service, "last_lines"), style, out);
}

/* "db and cache", "a, b and c" */
static void add_names(struct strbuf *out, const struct strv *names)
{
	for (size_t i = 0; i < names->len; i++) {
		if (i > 0)
			strbuf_adds(out, i + 1 < names->len ? ", " : " and ");
		service_add_text(out, names->items[i]);
	}
}

static void add_state(const json_t *project, struct strbuf *out)
{
	cleanup(strv_release) struct strv up = STRV_INIT, down = STRV_INIT;
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(project, "services"), i, service) {
		const char *name = json_get_str(service, "name", "?");

		if (json_get_bool(service, "ready", false))
			strv_add(&up, name);
		else if (!service_is_failed(service))
			strv_add(&down, name);
	}
	if (up.len == 0 && down.len == 0)
		return;
	strbuf_adds(out, "  state  ");
	add_names(out, &up);
	if (up.len > 0)
		strbuf_adds(out, up.len > 1 ? " stay up" : " stays up");
	if (up.len > 0 && down.len > 0)
		strbuf_adds(out, "; ");
	add_names(out, &down);
	if (down.len > 0)
		strbuf_adds(out, down.len > 1 ? " are not ready" : " is not ready");
	strbuf_addch(out, '\n');
}

static void add_labelled(struct strbuf *out, const char *label, const char *text)
{
	if (str_empty(text))
		return;
	strbuf_addf(out, "  %-5s  ", label);
	service_add_text(out, text);
	strbuf_addch(out, '\n');
}

void report_failure(const json_t *project, const char *text, const char *hint,
                    const struct style *style, struct strbuf *out)
{
	const json_t *services = json_object_get(project, "services");
	cleanup_free char *name = service_text(project, "name", "?");
	const char *first = NULL;
	bool is_said = false; /* the detail of a service is the cause already */
	struct service_counts counts = service_count(project);
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		if (!service_is_failed(service))
			continue;
		add_failed(service, style, out);
		is_said |= text && str_ends(text, json_get_str(service, "detail", "?"));
		if (!first)
			first = json_get_str(service, "name", NULL);
	}
	if (!is_said)
		add_labelled(out, "cause", text);
	add_labelled(out, "fix", hint);
	add_state(project, out);
	style_glyph(out, style, GLYPH_WARN);
	strbuf_addf(out, " %s: %zu ready, %zu failed, %zu waiting", name, counts.ready,
	            counts.failed, counts.waiting);
	if (first) {
		strbuf_adds(out, "          locald logs ");
		service_add_text(out, first);
	}
	strbuf_addch(out, '\n');
}
