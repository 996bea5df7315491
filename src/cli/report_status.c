#include "cli/report.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/service_text.h"
#include "cli/table.h"

#include <inttypes.h>

static char *health_cell(const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *health = json_object_get(service, "health");
	const char *kind = json_get_str(health, "kind", "none");

	if (str_eq(service_state(service), "crashed")) {
		service_add_last_exit(&out, service);
	} else if (json_get_bool(service, "ready", false) && !str_eq(kind, "none")) {
		strbuf_adds(&out, "ok ");
		service_add_text(&out, kind);
		if (json_is_integer(json_object_get(health, "ms"))) {
			strbuf_addch(&out, ' ');
			style_duration(&out, json_get_int(health, "ms", 0));
		}
	} else {
		service_add_text(&out, json_get_str(service, "detail", ""));
	}
	return strbuf_detach(&out);
}

static char *number_cell(const json_t *service, const char *key)
{
	const json_t *value = json_object_get(service, key);

	return json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value))
	                              : xstrdup("");
}

static char *cpu_cell(const json_t *service)
{
	const json_t *percent = json_object_get(service, "cpu_percent");

	return json_is_number(percent) ? xasprintf("%.1f%%", json_number_value(percent))
	                               : xstrdup("");
}

/* "9M", "1.2G": mebibytes, as tools for processes have them */
static char *memory_cell(const json_t *service)
{
	int64_t kib = json_get_int(service, "memory_bytes", -1024) / 1024;

	if (kib < 0)
		return xstrdup("");
	if (kib < 1024)
		return xasprintf("%" PRId64 "K", kib);
	if (kib < (1 << 20))
		return xasprintf("%" PRId64 "M", kib >> 10);
	return xasprintf("%.1fG", (double)kib / (1 << 20));
}

static const struct table_column status_columns[] = {
	{.title = "SERVICE"},
	{.title = "MODE", .drop = 2},
	{.title = "STATE"},
	{.title = "HEALTH", .drop = 1, .flex = true},
	{.title = "UP", .drop = 3},
	{.title = "PID", .drop = 4},
	{.title = "CPU", .drop = 5},
	{.title = "MEM", .drop = 6},
	{.title = "RESTARTS", .drop = 7},
	{.title = "URL"},
};

static void add_table(const json_t *services, const struct style *style, struct strbuf *out)
{
	cleanup(table_release) struct table table = {
		.columns = status_columns,
		.ncolumns = ARRAY_LEN(status_columns),
	};
	bool with_mode = services_have_container(services);
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		table_add(&table, service_text(service, "name", "?"));
		table_add(&table, with_mode ? service_text(service, "mode", "") : xstrdup(""));
		table_add(&table, service_state_cell(service, style));
		table_add(&table, health_cell(service));
		table_add(&table, service_uptime_cell(service));
		table_add(&table, number_cell(service, "pid"));
		table_add(&table, cpu_cell(service));
		table_add(&table, memory_cell(service));
		table_add(&table, number_cell(service, "restarts"));
		table_add(&table, service_address(service, style));
	}
	table_render(&table, style, "  ", out);
}

/* Left and right end of a line; two blanks between them where there is no width. */
static void add_ends(struct strbuf *out, const struct style *style, const char *left,
                     const char *right)
{
	size_t used = style_columns(left) + style_columns(right);
	size_t width = style->width > 0 ? (size_t)style->width : 80;

	strbuf_addf(out, "%s%*s%s\n", left, used + 2 < width ? (int)(width - used) : 2, "", right);
}

static void add_header(const json_t *daemon, const json_t *project, const struct style *style,
                       struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf left = STRBUF_INIT;
	cleanup_free char *name = service_text(project, "name", "?");
	struct service_counts counts = service_count(project);
	cleanup_free char *right = xasprintf("%zu/%zu ready", counts.ready, counts.all);

	style_text(&left, style, COLOUR_BOLD, name);
	strbuf_adds(&left, "  ");
	cli_add_folder(&left, json_get_str(project, "root", ""));
	if (daemon) {
		cleanup_free char *version = service_text(daemon, "version", "?");

		strbuf_addf(&left, "  daemon %s up ", version);
		style_age(&left, json_get_int(daemon, "uptime_ms", 0));
	} else {
		strbuf_adds(&left, "  daemon not running");
	}
	add_ends(out, style, left.buf, right);
}

static void add_problem(struct strbuf *out, const struct style *style, const char *name,
                        const char *text, const char *last_line)
{
	strbuf_adds(out, "  ");
	service_add_text(out, name);
	strbuf_adds(out, "  ");
	service_add_text(out, text);
	if (last_line) {
		strbuf_adds(out, ", last line: ");
		style_safe_sgr(out, &(struct style){0}, last_line, strlen(last_line));
	}
}

static void add_log_problem(const json_t *service, const struct style *style, struct strbuf *out)
{
	int64_t bytes = json_get_int(service, "log_dropped_bytes", -1);

	if (bytes < 0)
		return;
	add_problem(out, style, json_get_str(service, "name", "?"),
	            json_get_bool(service, "log_full", false) ? "log disk full, "
	                                                      : "log disk was full, ",
	            NULL);
	style_count(out, bytes);
	strbuf_adds(out, " bytes dropped");
	if (json_get_bool(service, "log_full", false))
		strbuf_addf(out, "   %s make room; the service runs on",
		            style_glyph_text(style, GLYPH_ARROW));
	strbuf_addch(out, '\n');
}

static void add_lost_keeper(const json_t *service, const struct style *style, struct strbuf *out)
{
	const char *name = json_get_str(service, "name", "?");

	if (!json_get_bool(service, "degraded", false))
		return;
	add_problem(out, style, name, "its keeper was lost, and another took over", NULL);
	strbuf_addf(out, "   %s locald restart ", style_glyph_text(style, GLYPH_ARROW));
	service_add_text(out, name);
	strbuf_addch(out, '\n');
}

/* So often in a row, and it is tried again, is a loop. */
#define CRASH_LOOP 3

static char *failure_text(const json_t *service)
{
	const char *detail = json_get_str(service, "detail", service_state(service));
	int64_t crashes = json_get_int(service, "restarts", 0);
	int64_t overdue_ms = service_overdue_ms(service);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (overdue_ms > 0) {
		strbuf_adds(&out, "not ready after ");
		style_duration(&out, overdue_ms);
		strbuf_addf(&out, ": %s", detail);
	} else if (crashes >= CRASH_LOOP && json_get_int(service, "next_try_ms", -1) >= 0 &&
	           json_is_integer(json_object_get(service, "crashing_ms"))) {
		strbuf_addf(&out, "crash loop: %" PRId64 " exits in ", crashes);
		style_duration(&out, json_get_int(service, "crashing_ms", 0));
	} else {
		strbuf_adds(&out, detail);
	}
	return strbuf_detach(&out);
}

static void add_service_problems(const json_t *service, const struct style *style,
                                 struct strbuf *out)
{
	const json_t *lines = json_object_get(service, "last_lines");
	const char *name = json_get_str(service, "name", "?");

	if (service_is_failed(service)) {
		cleanup_free char *failure = failure_text(service);
		size_t n = json_array_size(lines);

		add_problem(out, style, name, failure,
		            n ? json_string_value(json_array_get(lines, n - 1)) : NULL);
		strbuf_addf(out, "   %s locald logs ", style_glyph_text(style, GLYPH_ARROW));
		service_add_text(out, name);
		strbuf_adds(out, " --since-start\n");
	}
	add_log_problem(service, style, out);
	add_lost_keeper(service, style, out);
	service_add_warnings(out, service);
}

/* "locald.toml:12:1" */
static void add_place(struct strbuf *out, const json_t *diag)
{
	const json_t *place = json_array_get(json_object_get(diag, "places"), 0);
	int64_t line = json_get_int(place, "line", 0);

	service_add_text(out, json_get_str(place, "file", "configuration"));
	if (line > 0)
		strbuf_addf(out, ":%" PRId64 ":%" PRId64, line, json_get_int(place, "column", 0));
}

/* What is in the files and does not run. */
static void add_config_problems(const json_t *project, const struct style *style,
                                struct strbuf *out)
{
	const json_t *errors = json_object_get(project, "config_errors");
	const char *blocked = json_get_str(project, "blocked", NULL);
	const json_t *diag;
	size_t i;

	json_array_foreach(errors, i, diag) {
		const char *help = json_get_str(diag, "help", NULL);

		strbuf_adds(out, "  ");
		add_place(out, diag);
		strbuf_adds(out, "  ");
		service_add_text(out, json_get_str(diag, "text", "?"));
		if (help) {
			strbuf_addf(out, "   %s ", style_glyph_text(style, GLYPH_ARROW));
			service_add_text(out, help);
		}
		strbuf_addch(out, '\n');
	}
	if (json_array_size(errors) > 0)
		strbuf_adds(out, "  what runs is the configuration before that\n");
	if (blocked) {
		strbuf_adds(out, "  blocked: ");
		service_add_text(out, blocked);
		strbuf_adds(out, ", run locald up\n");
	}
}

void report_status(const json_t *daemon, const json_t *project, const struct style *style,
                   struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf problems = STRBUF_INIT;
	const json_t *services = json_object_get(project, "services");
	const json_t *service;
	size_t i;

	add_header(daemon, project, style, out);
	add_table(services, style, out);
	add_config_problems(project, style, &problems);
	json_array_foreach(services, i, service)
		add_service_problems(service, style, &problems);
	if (problems.len > 0)
		strbuf_addf(out, "problems\n%s", problems.buf);
}

static json_t *flat_service(const json_t *project, const json_t *service)
{
	json_t *flat = json_object(), *port = json_object(), *ports = json_array();
	json_t *number = json_object_get(service, "port");

	json_set_str(flat, "project", json_get_str(project, "name", ""));
	json_object_update(flat, (json_t *)service);
	if (json_is_integer(number)) {
		json_object_set(port, "port", number);
		json_object_set(port, "observed", json_object_get(service, "observed_port"));
		json_array_append(ports, port);
	}
	json_decref(port);
	json_object_set_new(flat, "ports", ports);
	return flat;
}

json_t *report_status_json(const json_t *status)
{
	json_t *all = json_object(), *projects = json_array(), *services = json_array();
	const json_t *project, *service;
	size_t p, s;

	json_array_foreach(json_object_get(status, "projects"), p, project) {
		json_t *brief = json_copy((json_t *)project);

		json_array_foreach(json_object_get(project, "services"), s, service)
			json_array_append_new(services, flat_service(project, service));
		json_object_del(brief, "services");
		json_array_append_new(projects, brief);
	}
	json_set_int(all, "schema", 1);
	json_object_set(all, "daemon", json_object_get(status, "daemon"));
	json_object_set_new(all, "projects", projects);
	json_object_set_new(all, "services", services);
	return all;
}
