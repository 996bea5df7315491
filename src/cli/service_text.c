#include "cli/service_text.h"

#include "base/str.h"

#include <inttypes.h>

const char *service_state(const json_t *service)
{
	return json_get_str(service, "state", "unknown");
}

int64_t service_overdue_ms(const json_t *service)
{
	return json_get_int(service, "overdue_ms", 0);
}

bool service_is_failed(const json_t *service)
{
	const char *state = service_state(service);

	return str_eq(state, "crashed") || str_eq(state, "unhealthy") || str_eq(state, "blocked") ||
	       service_overdue_ms(service) > 0;
}

bool service_is_at_rest(const json_t *service)
{
	return str_eq(service_state(service), "stopped") ||
	       str_eq(service_state(service), "exited") ||
	       str_eq(service_state(service), "scheduled");
}

struct service_counts service_count(const json_t *project)
{
	struct service_counts counts = {0};
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(project, "services"), i, service) {
		counts.all++;
		if (json_get_bool(service, "ready", false))
			counts.ready++;
		else if (service_is_failed(service))
			counts.failed++;
		else if (service_is_at_rest(service))
			counts.stopped++;
		else
			counts.waiting++;
	}
	return counts;
}

void service_add_text(struct strbuf *out, const char *text)
{
	style_safe(out, text, strlen(text));
}

char *service_text(const json_t *object, const char *key, const char *def)
{
	return style_safe_dup(json_get_str(object, key, def));
}

char *service_address(const json_t *service, const struct style *style)
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

char *service_state_cell(const json_t *service, const struct style *style)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *state = service_text(service, "state", "unknown");
	enum colour colour = json_get_bool(service, "ready", false) ? COLOUR_GREEN
	                     : service_is_failed(service)           ? COLOUR_RED
	                     : service_is_at_rest(service)          ? COLOUR_DIM
	                                                            : COLOUR_YELLOW;

	style_text(&out, style, colour, state);
	return strbuf_detach(&out);
}

void service_add_last_exit(struct strbuf *out, const json_t *service)
{
	const json_t *last = json_object_get(service, "last_exit");
	int64_t next = json_get_int(service, "next_try_ms", -1);
	int64_t signo = json_get_int(last, "signal", 0);

	if (!json_is_object(last))
		service_add_text(out, json_get_str(service, "detail", ""));
	else if (signo > 0)
		strbuf_addf(out, "signal %" PRId64, signo);
	else
		strbuf_addf(out, "exit %" PRId64, json_get_int(last, "code", 0));
	if (json_is_integer(json_object_get(last, "ago_ms"))) {
		strbuf_adds(out, ", ");
		style_age(out, json_get_int(last, "ago_ms", 0));
		strbuf_adds(out, " ago");
	}
	if (next >= 0) {
		strbuf_adds(out, out->len > 0 ? ", next try in " : "next try in ");
		style_duration(out, next);
	}
}

char *service_uptime_cell(const json_t *service)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	if (json_is_integer(json_object_get(service, "uptime_ms")))
		style_age(&out, json_get_int(service, "uptime_ms", 0));
	return strbuf_detach(&out);
}

bool services_have_container(const json_t *services)
{
	const json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
		if (str_eq(json_get_str(service, "mode", ""), "container"))
			return true;
	return false;
}

void service_add_warnings(struct strbuf *out, const json_t *service)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(service, "warnings"), i, warning) {
		const char *text = json_string_value(warning);

		strbuf_adds(out, "  ");
		service_add_text(out, json_get_str(service, "name", "?"));
		strbuf_adds(out, "  ");
		service_add_text(out, text ? text : "?");
		strbuf_addch(out, '\n');
	}
}
