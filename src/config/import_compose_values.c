#include "config/import_compose.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/toml_write.h"

#include <ctype.h>

bool compose_split(const char *text, struct strv *out)
{
	cleanup(strbuf_release) struct strbuf word = STRBUF_INIT;
	bool has_word = false;
	char quote = 0;

	for (; *text; text++) {
		if (*text == '\\' && quote != '\'' && text[1]) {
			strbuf_addch(&word, *++text);
			has_word = true;
		} else if (quote ? *text == quote : *text == '\'' || *text == '"') {
			quote = quote ? 0 : *text;
			has_word = true;
		} else if (!quote && isspace((unsigned char)*text)) {
			if (has_word)
				strv_add(out, word.buf);
			strbuf_reset(&word);
			has_word = false;
		} else {
			strbuf_addch(&word, *text);
			has_word = true;
		}
	}
	if (has_word)
		strv_add(out, word.buf);
	return !quote;
}

/* --- ports --- */

/* One of `ports`: "127.0.0.1:8080:80/tcp", or a map. */
struct mapping {
	int64_t target, published;
	const char *why; /* it cannot be imported; NULL: it can */
};

static int64_t port_number(const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int64_t port = 0;

	return str_to_int(text, 1, 65535, &port, &err) == 0 ? port : -1;
}

static struct mapping short_mapping(char *text)
{
	struct mapping mapping = {0};
	char *slash = strchr(text, '/'), *colon;

	if (slash && !str_eq(slash, "/tcp")) {
		mapping.why = "only tcp";
		return mapping;
	}
	if (slash)
		*slash = '\0';
	colon = strrchr(text, ':');
	mapping.target = port_number(colon ? colon + 1 : text);
	if (colon) {
		*colon = '\0';
		colon = strrchr(text, ':');
		mapping.published = port_number(colon ? colon + 1 : text);
	}
	if (mapping.target < 0 || mapping.published < 0)
		mapping.why = "not one port";
	return mapping;
}

static struct mapping read_mapping(struct importer *in, const struct yaml_entry *entry,
                                   const struct yaml_value *item)
{
	const char *protocol = yaml_text(yaml_get(item, "protocol"));
	const struct yaml_entry *published = yaml_find(item, "published");
	struct mapping mapping = {.why = "a port without a number"};
	cleanup_free char *text = NULL;

	if (item->type == YAML_TEXT) {
		text = import_text(in, entry, item);
		return text ? short_mapping(text) : mapping;
	}
	if (yaml_to_int(yaml_get(item, "target"), 1, 65535, &mapping.target))
		mapping.why = protocol && !str_eq(protocol, "tcp") ? "only tcp" : NULL;
	if (published && published->value->type == YAML_TEXT) {
		text = import_text(in, published, published->value);
		mapping.published = text ? port_number(text) : -1;
		if (mapping.published < 0)
			mapping.why = "not one port";
	}
	return mapping;
}

/* What images listen on when nobody says it. */
static const struct {
	const char *image;
	int port;
} known_ports[] = {
	{"elasticsearch", 9200}, {"httpd", 80},        {"mailhog", 8025}, {"mailpit", 8025},
	{"mariadb", 3306},       {"memcached", 11211}, {"minio", 9000},   {"mongo", 27017},
	{"mysql", 3306},         {"nats", 4222},       {"nginx", 80},     {"postgres", 5432},
	{"rabbitmq", 5672},      {"redis", 6379},      {"valkey", 6379},
};

static int64_t known_port(const char *image)
{
	const char *base = image && strrchr(image, '/') ? strrchr(image, '/') + 1 : image;

	for (size_t i = 0; base && i < ARRAY_LEN(known_ports); i++) {
		size_t len = strlen(known_ports[i].image);

		if (strncmp(base, known_ports[i].image, len) == 0 &&
		    (!base[len] || base[len] == ':' || base[len] == '@'))
			return known_ports[i].port;
	}
	return 0;
}

void compose_find_port(struct importer *in, struct compose_service *service)
{
	const struct yaml_entry *ports = yaml_find(service->map, "ports");
	const struct yaml_entry *expose = yaml_find(service->map, "expose");

	if (ports) {
		service->port_pos = ports->pos;
		array_foreach(item, &ports->value->list) {
			struct mapping mapping = read_mapping(in, ports, *item);

			if (mapping.why || service->port > 0)
				continue;
			service->port = mapping.target;
			service->published = mapping.published;
			service->port_pos = (*item)->pos;
		}
	}
	if (service->port == 0 && expose) {
		service->port_pos = expose->pos;
		array_foreach(item, &expose->value->list)
			if (service->port == 0 && !yaml_to_int(*item, 1, 65535, &service->port))
				service->port = 0;
	}
	if (service->port == 0)
		service->port = known_port(yaml_text(yaml_get(service->map, "image")));
}

/* The one that became the service's own is there already. */
void compose_ports(struct importer *in, const struct yaml_entry *entry)
{
	bool has_first = false;

	if (entry->value->type != YAML_LIST) {
		import_expected(in, entry, "a list of ports");
		return;
	}
	array_foreach(item, &entry->value->list) {
		const struct yaml_entry at = {.key = entry->key, .pos = (*item)->pos};
		struct mapping mapping = read_mapping(in, entry, *item);
		cleanup_free char *text = (*item)->text ? xasprintf("%s: ", (*item)->text) : NULL;

		if (mapping.why)
			import_leave_out(in, &at, "%s%s can be published", text ? text : "",
			                 mapping.why);
		else if (has_first)
			import_leave_out(in, &at, "%sa service has one port", text ? text : "");
		has_first = has_first || !mapping.why;
	}
}

/* --- volumes --- */

/* A folder begins with a dot or a slash; anything else is a name. */
static char *source_path(const struct importer *in, const char *source)
{
	cleanup_free char *here = *source == '.' ? import_path(in, source) : xstrdup(source);

	return *source == '.' && *here != '.' && *here != '/' ? xasprintf("./%s", here)
	                                                      : take_ptr(here);
}

static void short_volume(struct importer *in, const struct yaml_entry *at, const char *text,
                         struct strv *out)
{
	const char *target = strchr(text, ':'), *mode = target ? strchr(target + 1, ':') : NULL;
	bool is_read_only = mode && (str_eq(mode, ":ro") || str_starts(mode, ":ro,"));
	cleanup_free char *source = target ? xstrndup(text, (size_t)(target - text)) : NULL;
	cleanup_free char *here = source ? source_path(in, source) : NULL;

	if (!target)
		import_leave_out(in, at, "%s: a volume without a name keeps nothing", text);
	else
		strv_addf(out, "%s%.*s%s", here,
		          (int)(mode ? (size_t)(mode - target) : strlen(target)), target,
		          is_read_only ? ":ro" : "");
}

static void long_volume(struct importer *in, const struct yaml_entry *at,
                        const struct yaml_value *item, struct strv *out)
{
	const char *type = yaml_text(yaml_get(item, "type"));
	const struct yaml_entry *source = yaml_find(item, "source");
	const char *target = yaml_text(yaml_get(item, "target"));
	cleanup_free char *from = source ? import_text(in, source, source->value) : NULL;
	cleanup_free char *here = NULL;
	bool is_read_only = false;

	if (type && !str_eq(type, "bind") && !str_eq(type, "volume")) {
		import_leave_out(in, at, "a volume of type %s", type);
		return;
	}
	if (!from || !target) {
		import_leave_out(in, at, "a volume without a source and a target");
		return;
	}
	if (!yaml_to_bool(yaml_get(item, "read_only"), &is_read_only))
		is_read_only = false;
	here = source_path(in, from);
	strv_addf(out, "%s:%s%s", here, target, is_read_only ? ":ro" : "");
}

void compose_volumes(struct importer *in, const struct yaml_entry *entry)
{
	cleanup(strv_release) struct strv volumes = STRV_INIT;

	if (!compose_of(in)->now->is_container) {
		import_leave_out(in, entry, "it runs in the folder itself");
		return;
	}
	if (entry->value->type != YAML_LIST) {
		import_expected(in, entry, "a list of volumes");
		return;
	}
	array_foreach(item, &entry->value->list) {
		const struct yaml_entry at = {.key = entry->key, .pos = (*item)->pos};
		cleanup_free char *text = NULL;

		if ((*item)->type == YAML_MAP) {
			long_volume(in, &at, *item, &volumes);
			continue;
		}
		text = import_text(in, entry, *item);
		if (text)
			short_volume(in, &at, text, &volumes);
	}
	if (volumes.len > 0)
		draft_put_strv(in->section, import_at(in, entry->pos), "volumes", &volumes);
}

/* --- the check --- */

/* `command = …` of the check, from its test; false when there is none. */
static bool add_test(struct importer *in, const struct yaml_entry *entry, struct strbuf *out)
{
	const struct yaml_entry *test = yaml_find(entry->value, "test");
	cleanup(strv_release) struct strv words = STRV_INIT;
	bool is_shell;

	if (!test) {
		import_leave_out(in, entry, "a check that only the image knows");
		return false;
	}
	if (!import_strings(in, test, &words) || words.len == 0)
		return false;
	if (test->value->type == YAML_LIST && str_eq(words.items[0], "NONE"))
		return false;
	is_shell = test->value->type != YAML_LIST || str_eq(words.items[0], "CMD-SHELL");
	if (test->value->type == YAML_LIST) {
		free(words.items[0]);
		words.len--;
		memmove(words.items, words.items + 1, (words.len + 1) * sizeof(*words.items));
	}
	if (words.len == 0 || (is_shell && words.len > 1)) {
		import_leave_out(in, test,
		                 "expected [\"CMD\", …], [\"CMD-SHELL\", \"…\"] or a text");
		return false;
	}
	strbuf_adds(out, "health_check = { type = \"command\", ");
	if (is_shell)
		toml_put_str(out, "command", words.items[0]);
	else
		toml_put_strv(out, "command", &words);
	strbuf_truncate(out, out->len - 1);
	return true;
}

static int64_t add_time(struct importer *in, const struct yaml_entry *check, const char *theirs,
                        const char *ours, int64_t otherwise, struct strbuf *out)
{
	const struct yaml_entry *entry = yaml_find(check->value, theirs);
	int64_t ms = otherwise;

	if (!entry || !import_duration(in, entry, &ms))
		return otherwise;
	if (ours && ms >= 50) {
		strbuf_addf(out, ", %s = ", ours);
		import_add_duration(out, ms);
	}
	return ms;
}

void compose_healthcheck(struct importer *in, const struct yaml_entry *entry)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	int64_t interval, retries = 3, start;
	bool is_off;

	if (yaml_to_bool(yaml_get(entry->value, "disable"), &is_off) && is_off)
		return;
	if (!add_test(in, entry, &out))
		return;
	interval = add_time(in, entry, "interval", "interval", 30000, &out);
	add_time(in, entry, "timeout", "timeout", 0, &out);
	if (yaml_to_int(yaml_get(entry->value, "retries"), 1, 1000, &retries))
		strbuf_addf(&out, ", retries = %lld", (long long)retries);
	start = add_time(in, entry, "start_period", NULL, 0, &out) + interval * retries;
	/* Failures do not count before it: the time that compose would grant. */
	if (start > 30000) {
		strbuf_adds(&out, ", start_period = ");
		import_add_duration(&out, start);
	}
	strbuf_adds(&out, " }");
	draft_put_toml(in->section, import_at(in, entry->pos), out.buf);
	if (yaml_get(entry->value, "start_interval"))
		import_leave_out(in, yaml_find(entry->value, "start_interval"),
		                 "checks have one interval");
}

/* --- limits --- */

/* "512m" and "1gb" as "512M" and "1G". */
static char *memory_of(const char *text)
{
	char *memory = xstrdup(text);
	size_t len = strlen(memory);

	if (len > 1 && tolower((unsigned char)memory[len - 1]) == 'b' &&
	    !isdigit((unsigned char)memory[len - 2]))
		memory[--len] = '\0';
	for (char *c = memory; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return memory;
}

void compose_put_limits(struct importer *in)
{
	const struct yaml_value *limits =
		yaml_get(yaml_get(yaml_get(in->map, "deploy"), "resources"), "limits");
	const struct {
		const char *ours;
		const struct yaml_entry *entry;
		bool is_memory;
	} all[] = {
		{"memory", yaml_find(limits, "memory") ?: yaml_find(in->map, "mem_limit"), true},
		{"cpus", yaml_find(limits, "cpus") ?: yaml_find(in->map, "cpus"), false},
		{"pids", yaml_find(limits, "pids") ?: yaml_find(in->map, "pids_limit"), false},
	};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct toml_pos pos = {0};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		cleanup_free char *text =
			all[i].entry ? import_text(in, all[i].entry, all[i].entry->value) : NULL;
		cleanup_free char *memory = text && all[i].is_memory ? memory_of(text) : NULL;

		if (!text || !*text || (!memory && strspn(text, "0123456789.") != strlen(text)))
			continue;
		strbuf_addf(&out, "%s%s = ", out.len > 0 ? ", " : "limits = { ", all[i].ours);
		strbuf_addf(&out, memory ? "\"%s\"" : "%s", memory ? memory : text);
		if (pos.line == 0)
			pos = all[i].entry->pos;
	}
	if (out.len == 0)
		return;
	strbuf_adds(&out, " }");
	draft_put_toml(in->section, import_at(in, pos), out.buf);
}
