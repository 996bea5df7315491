#include "cli/report.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <inttypes.h>

struct counts {
	size_t all, ready, failed, waiting, stopped;
};

static const char *state_of(const json_t *service)
{
	return json_get_str(service, "state", "unknown");
}

static bool is_failed(const json_t *service)
{
	const char *state = state_of(service);

	return str_eq(state, "crashed") || str_eq(state, "unhealthy") || str_eq(state, "blocked");
}

/* At rest as it should be: stopped, or ended well. */
static bool is_at_rest(const json_t *service)
{
	return str_eq(state_of(service), "stopped") || str_eq(state_of(service), "exited");
}

static struct counts count(const json_t *project)
{
	struct counts counts = {0};
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(project, "services"), i, service) {
		counts.all++;
		if (json_get_bool(service, "ready", false))
			counts.ready++;
		else if (is_failed(service))
			counts.failed++;
		else if (is_at_rest(service))
			counts.stopped++;
		else
			counts.waiting++;
	}
	return counts;
}

bool report_any_failed(const json_t *project)
{
	return count(project).failed > 0;
}

static void add_safe(struct strbuf *out, const char *text)
{
	style_safe(out, text, strlen(text));
}

static char *safe(const json_t *object, const char *key, const char *def)
{
	return style_safe_dup(json_get_str(object, key, def));
}

/* Where it can be reached: its URL, else its port on loopback. */
static char *address(const json_t *service, const struct style *style)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const char *url = json_get_str(service, "url", NULL);
	int64_t port = json_get_int(service, "port", 0);

	if (url)
		style_url(&out, style, url);
	else if (port > 0)
		strbuf_addf(&out, "127.0.0.1:%" PRId64, port);
	return strbuf_detach(&out);
}

static char *state_cell(const json_t *service, const struct style *style)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *state = safe(service, "state", "unknown");
	enum colour colour = json_get_bool(service, "ready", false) ? COLOUR_GREEN
	                     : is_failed(service)                   ? COLOUR_RED
	                     : is_at_rest(service)                  ? COLOUR_DIM
	                                                            : COLOUR_YELLOW;

	style_text(&out, style, colour, state);
	return strbuf_detach(&out);
}

/* "exit 1, next try in 4s" */
static void add_last_exit(struct strbuf *out, const json_t *service)
{
	const json_t *last = json_object_get(service, "last_exit");
	int64_t next = json_get_int(service, "next_try_ms", -1);
	int64_t signo = json_get_int(last, "signal", 0);

	if (!json_is_object(last))
		add_safe(out, json_get_str(service, "detail", ""));
	else if (signo > 0)
		strbuf_addf(out, "signal %" PRId64, signo);
	else
		strbuf_addf(out, "exit %" PRId64, json_get_int(last, "code", 0));
	if (next >= 0) {
		strbuf_adds(out, out->len > 0 ? ", next try in " : "next try in ");
		style_duration(out, next);
	}
}

static char *health_cell(const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *health = json_object_get(service, "health");
	const char *kind = json_get_str(health, "kind", "none");

	if (str_eq(state_of(service), "crashed")) {
		add_last_exit(&out, service);
	} else if (json_get_bool(service, "ready", false) && !str_eq(kind, "none")) {
		strbuf_adds(&out, "ok ");
		add_safe(&out, kind);
		if (json_is_integer(json_object_get(health, "ms"))) {
			strbuf_addch(&out, ' ');
			style_duration(&out, json_get_int(health, "ms", 0));
		}
	} else {
		add_safe(&out, json_get_str(service, "detail", ""));
	}
	return strbuf_detach(&out);
}

static char *uptime_cell(const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (json_is_integer(json_object_get(service, "uptime_ms")))
		style_age(&out, json_get_int(service, "uptime_ms", 0));
	return strbuf_detach(&out);
}

static char *number_cell(const json_t *service, const char *key)
{
	const json_t *value = json_object_get(service, key);

	return json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value))
	                              : xstrdup("");
}

/* In a project of host services the mode is not worth a column. */
static bool has_container(const json_t *services)
{
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
		if (str_eq(json_get_str(service, "mode", ""), "container"))
			return true;
	return false;
}

static const struct table_column status_columns[] = {
	{.title = "SERVICE"},
	{.title = "MODE", .drop = 2},
	{.title = "STATE"},
	{.title = "HEALTH", .drop = 1, .flex = true},
	{.title = "UP", .drop = 3},
	{.title = "PID", .drop = 4},
	{.title = "RESTARTS", .drop = 5},
	{.title = "URL"},
};

static void add_table(const json_t *services, const struct style *style, struct strbuf *out)
{
	cleanup(table_release) struct table table = {
		.columns = status_columns,
		.ncolumns = ARRAY_LEN(status_columns),
	};
	bool with_mode = has_container(services);
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		table_add(&table, safe(service, "name", "?"));
		table_add(&table, with_mode ? safe(service, "mode", "") : xstrdup(""));
		table_add(&table, state_cell(service, style));
		table_add(&table, health_cell(service));
		table_add(&table, uptime_cell(service));
		table_add(&table, number_cell(service, "pid"));
		table_add(&table, number_cell(service, "restarts"));
		table_add(&table, address(service, style));
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

static void add_header(const json_t *daemon, const json_t *project, int64_t now_ns,
                       const struct style *style, struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf left = STRBUF_INIT;
	cleanup_free char *name = safe(project, "name", "?");
	struct counts counts = count(project);
	cleanup_free char *right = xasprintf("%zu/%zu ready", counts.ready, counts.all);
	int64_t started;

	style_text(&left, style, COLOUR_BOLD, name);
	strbuf_adds(&left, "  ");
	cli_add_folder(&left, json_get_str(project, "root", ""));
	if (daemon) {
		cleanup_free char *version = safe(daemon, "version", "?");

		strbuf_addf(&left, "  daemon %s", version);
		if (clock_parse_utc(json_get_str(daemon, "started", ""), &started)) {
			strbuf_adds(&left, " up ");
			style_age(&left, (now_ns - started) / 1000000);
		}
	} else {
		strbuf_adds(&left, "  daemon not running");
	}
	add_ends(out, style, left.buf, right);
}

static void add_problem(struct strbuf *out, const struct style *style, const char *name,
                        const char *text, const char *last_line)
{
	strbuf_adds(out, "  ");
	add_safe(out, name);
	strbuf_adds(out, "  ");
	add_safe(out, text);
	if (last_line) {
		strbuf_adds(out, ", last line: ");
		style_safe_sgr(out, &(struct style){0}, last_line, strlen(last_line));
	}
}

static void add_service_problems(const json_t *service, const struct style *style,
                                 struct strbuf *out)
{
	const json_t *lines = json_object_get(service, "last_lines");
	const char *name = json_get_str(service, "name", "?");
	const json_t *warning;
	size_t i;

	if (is_failed(service)) {
		size_t n = json_array_size(lines);

		add_problem(out, style, name, json_get_str(service, "detail", state_of(service)),
		            n ? json_string_value(json_array_get(lines, n - 1)) : NULL);
		strbuf_addf(out, "   %s locald logs ", style_glyph_text(style, GLYPH_ARROW));
		add_safe(out, name);
		strbuf_addch(out, '\n');
	}
	json_array_foreach(json_object_get(service, "warnings"), i, warning) {
		const char *text = json_string_value(warning);

		add_problem(out, style, name, text ? text : "?", NULL);
		strbuf_addch(out, '\n');
	}
}

/* "locald.toml:12:1" */
static void add_place(struct strbuf *out, const json_t *diag)
{
	const json_t *place = json_array_get(json_object_get(diag, "places"), 0);
	int64_t line = json_get_int(place, "line", 0);

	add_safe(out, json_get_str(place, "file", "configuration"));
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
		add_safe(out, json_get_str(diag, "text", "?"));
		if (help) {
			strbuf_addf(out, "   %s ", style_glyph_text(style, GLYPH_ARROW));
			add_safe(out, help);
		}
		strbuf_addch(out, '\n');
	}
	if (json_array_size(errors) > 0)
		strbuf_adds(out, "  what runs is the configuration before that\n");
	if (blocked) {
		strbuf_adds(out, "  blocked: ");
		add_safe(out, blocked);
		strbuf_adds(out, ", run locald up\n");
	}
}

void report_status(const json_t *daemon, const json_t *project, int64_t now_ns,
                   const struct style *style, struct strbuf *out)
{
	cleanup(strbuf_release) struct strbuf problems = STRBUF_INIT;
	const json_t *services = json_object_get(project, "services");
	const json_t *service;
	size_t i;

	add_header(daemon, project, now_ns, style, out);
	add_table(services, style, out);
	add_config_problems(project, style, &problems);
	json_array_foreach(services, i, service)
		add_service_problems(service, style, &problems);
	if (problems.len > 0)
		strbuf_addf(out, "problems\n%s", problems.buf);
}

/* "GET / 200 12ms", "container": what is worth saying beside an address. */
static char *remark(const json_t *service, bool with_mode)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (with_mode)
		add_safe(&out, json_get_str(service, "mode", ""));
	if (!json_get_bool(service, "ready", false)) {
		strbuf_adds(&out, out.len > 0 ? "  " : "");
		add_safe(&out, state_of(service));
	}
	return strbuf_detach(&out);
}

static void add_addresses(const json_t *project, const struct style *style, struct strbuf *out)
{
	static const struct table_column columns[] = {{0}, {0}, {.drop = 1}};
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	const json_t *services = json_object_get(project, "services");
	const json_t *service;
	bool with_mode = has_container(services);
	size_t i;
	json_array_foreach(services, i, service) {
		if (is_at_rest(service))
			continue;
		table_add(&table, safe(service, "name", "?"));
		table_add(&table, address(service, style));
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
	cleanup_free char *name = safe(project, "name", "?");
	struct counts counts = count(project);
	size_t restarted = json_array_size(json_object_get(result, "restarted"));

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
	cleanup_free char *name = safe(service, "name", "?");
	cleanup_free char *detail = safe(service, "detail", state_of(service));
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
		add_safe(out, names->items[i]);
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
		else if (!is_failed(service))
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
	add_safe(out, text);
	strbuf_addch(out, '\n');
}

void report_failure(const json_t *project, const char *text, const char *hint,
                    const struct style *style, struct strbuf *out)
{
	const json_t *services = json_object_get(project, "services");
	cleanup_free char *name = safe(project, "name", "?");
	const char *first = NULL;
	bool is_said = false; /* the detail of a service is the cause already */
	struct counts counts = count(project);
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service) {
		if (!is_failed(service))
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
		add_safe(out, first);
	}
	strbuf_addch(out, '\n');
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
