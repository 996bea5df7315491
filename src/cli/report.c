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

void report_moved(const json_t *result, const struct style *style, struct strbuf *out)
{
	const json_t *moved;
	size_t i;

	json_array_foreach(json_object_get(result, "moved"), i, moved) {
		style_glyph(out, style, GLYPH_WARN);
		strbuf_addch(out, ' ');
		service_add_text(out, json_get_str(moved, "service", "?"));
		strbuf_addf(out, ": port %" PRId64 " is held by ", json_get_int(moved, "from", 0));
		service_add_text(out, json_get_str(moved, "held_by", "somebody else"));
		strbuf_addf(out, "; now %" PRId64 "\n", json_get_int(moved, "to", 0));
	}
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

static void add_labelled(struct strbuf *out, const char *label, const char *text)
{
	if (str_empty(text))
		return;
	strbuf_addf(out, "  %-5s  ", label);
	service_add_text(out, text);
	strbuf_addch(out, '\n');
}

static void add_failed(const json_t *service, const struct style *style, struct strbuf *out)
{
	cleanup_free char *name = service_text(service, "name", "?");
	cleanup_free char *detail = service_text(service, "detail", service_state(service));
	const char *dot = style->unicode ? "·" : "-";
	int64_t next = json_get_int(service, "next_try_ms", -1);
	int64_t restarts = json_get_int(service, "max_restarts", 0);
	int64_t overdue_ms = service_overdue_ms(service);

	style_glyph(out, style, GLYPH_FAIL);
	strbuf_addf(out, " %s ", name);
	if (overdue_ms > 0) {
		strbuf_adds(out, "is not ready after ");
		style_duration(out, overdue_ms);
	} else {
		strbuf_adds(out, detail);
	}
	if (next >= 0 && restarts > 0)
		strbuf_addf(out, " %s try %" PRId64 " of %" PRId64, dot,
		            json_get_int(service, "restarts", 0), restarts + 1);
	if (next >= 0) {
		strbuf_addf(out, " %s next try in ", dot);
		style_duration(out, next);
	}
	strbuf_addch(out, '\n');
	add_lines(json_object_get(service, "last_lines"), style, out);
	if (overdue_ms > 0)
		add_labelled(out, "cause", json_get_str(service, "detail", NULL));
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

/* "api" or "api and db": what a service that waits depends on and is not ready; else empty. */
static char *needs_of(const json_t *services, const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(strv_release) struct strv needs = STRV_INIT;
	const json_t *name, *other;
	size_t i, j;

	if (!str_eq(service_state(service), "waiting"))
		return xstrdup("");
	json_array_foreach(json_object_get(service, "depends_on"), i, name)
		json_array_foreach(services, j, other)
			if (json_is_string(name) && !json_get_bool(other, "ready", false) &&
			    str_eq(json_string_value(name), json_get_str(other, "name", "")))
				strv_add(&needs, json_string_value(name));
	add_names(&out, &needs);
	return strbuf_detach(&out);
}

static void add_clause(struct strbuf *out, const struct strv *names, const char *one,
                       const char *several, const char *needs)
{
	if (names->len == 0)
		return;
	strbuf_adds(out, out->len > 0 ? "; " : "");
	add_names(out, names);
	strbuf_adds(out, names->len > 1 ? several : one);
	if (needs)
		strbuf_addf(out, " (need%s %s)", names->len > 1 ? "" : "s", needs);
}

/* Those that wait, one clause for all that need the same.  `needs` is at the index of a service. */
static void add_waiting(const json_t *services, const struct strv *needs, struct strbuf *out)
{
	cleanup(strv_release) struct strv said = STRV_INIT;

	for (size_t first = 0; first < needs->len; first++) {
		const char *need = needs->items[first];
		cleanup(strv_release) struct strv names = STRV_INIT;

		if (str_empty(need) || strv_has(&said, need))
			continue;
		strv_add(&said, need);
		for (size_t i = first; i < needs->len; i++)
			if (str_eq(needs->items[i], need))
				strv_add(&names,
				         json_get_str(json_array_get(services, i), "name", "?"));
		add_clause(out, &names, " was not started", " were not started", need);
	}
}

static void add_state(const json_t *project, struct strbuf *out)
{
	cleanup(strv_release) struct strv up = STRV_INIT, down = STRV_INIT, needs = STRV_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	const json_t *services = json_object_get(project, "services");
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		const char *name = json_get_str(service, "name", "?");
		cleanup_free char *need = needs_of(services, service);

		strv_add(&needs, need);
		if (json_get_bool(service, "ready", false))
			strv_add(&up, name);
		else if (!service_is_failed(service) && !service_is_at_rest(service) &&
		         str_empty(need))
			strv_add(&down, name);
	}
	add_clause(&text, &up, " stays up", " stay up", NULL);
	add_clause(&text, &down, " is not ready", " are not ready", NULL);
	add_waiting(services, &needs, &text);
	if (text.len > 0)
		strbuf_addf(out, "  state  %s\n", text.buf);
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
