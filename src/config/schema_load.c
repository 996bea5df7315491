#include "config/schema_field.h"

#include "base/str.h"
#include "config/toml.h"

#define SHOWN_MAX 40 /* bytes of a wrong value in a message */

#define SERVICE_PATH "services.*"

/* --- what was wrong --- */

char *config_show_value(const struct toml_value *value)
{
	char text[TOML_DATETIME_SIZE];

	switch (value->type) {
	case TOML_STRING:
		return xasprintf("\"%.*s%s\"", SHOWN_MAX, value->string.text,
		                 value->string.len > SHOWN_MAX ? "…" : "");
	case TOML_INTEGER:
		return xasprintf("%lld", (long long)value->integer);
	case TOML_FLOAT:
		return xasprintf("%g", value->number);
	case TOML_BOOLEAN:
		return xstrdup(value->boolean ? "true" : "false");
	case TOML_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		toml_format_datetime(value, text);
		return xstrdup(text);
	case TOML_ARRAY:
	case TOML_TABLE:
		break;
	}
	return xstrdup(toml_type_name(value->type));
}

struct diagnostic *loader_report(struct config_loader *loader, struct toml_pos pos, const char *id,
                                 const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	struct diagnostic *diag;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	diag = diag_add(loader->diags, id, "%s", text);
	diag_at(diag, &loader->source, pos, NULL);
	return diag;
}

struct diagnostic *loader_expected(struct config_loader *loader, const struct toml_value *value,
                                   bool is_type, const char *fmt, ...)
{
	cleanup_free char *what = NULL, *got = config_show_value(value);
	va_list args;

	va_start(args, fmt);
	what = xvasprintf(fmt, args);
	va_end(args);
	return loader_report(loader, value->pos, is_type ? "C010" : "C011",
	                     "%s: expected %s, got %s", loader->shown.buf, what, got);
}

void loader_suggest(struct diagnostic *diag, const char *near)
{
	if (near)
		diag_help(diag, "did you mean `%s`?", near);
}

/* --- reading --- */

/* Where the keys below `pattern` are read to; service is NULL outside of services. */
struct scope {
	const char *pattern;
	struct service_config *service;
};

static void load_table(struct config_loader *loader, const struct scope *scope,
                       const struct toml_table *table);

static size_t push_key(struct config_loader *loader, const char *key)
{
	size_t len = loader->shown.len;

	strbuf_addf(&loader->shown, "%s%s", len > 0 ? "." : "", key);
	return len;
}

/* The part of a row's path after "PATTERN."; NULL for rows elsewhere and deeper down. */
static const char *child_name(const struct config_key *key, const char *pattern)
{
	size_t len = strlen(pattern);
	const char *name = key->path;

	if (len > 0) {
		if (strncmp(name, pattern, len) != 0 || name[len] != '.')
			return NULL;
		name += len + 1;
	}
	return strpbrk(name, ".*") ? NULL : name;
}

static const struct config_key *find_child(const char *pattern, const char *name)
{
	cleanup_free char *path = *pattern ? xasprintf("%s.%s", pattern, name) : xstrdup(name);

	/* A key with a dot or star in it is no path. */
	return strpbrk(name, ".*") ? NULL : schema_find(path);
}

static const char *nearest_child(const char *pattern, const char *name)
{
	const char *names[128];
	size_t count = 0;
	const struct config_key *key;

	for (size_t i = 0; (key = schema_key_at(i)) && count < ARRAY_LEN(names); i++)
		if (child_name(key, pattern))
			names[count++] = child_name(key, pattern);
	return str_nearest(name, names, count);
}

static void report_unknown(struct config_loader *loader, const struct scope *scope,
                           const struct toml_entry *entry)
{
	const char *near = nearest_child(scope->pattern, entry->key);
	struct diagnostic *diag;

	if (loader->shown.len > 0)
		diag = loader_report(loader, entry->pos, "C012", "unknown key `%s` in [%s]",
		                     entry->key, loader->shown.buf);
	else
		diag = loader_report(loader, entry->pos, "C012", "unknown key `%s`", entry->key);
	if (near)
		loader_suggest(diag, near);
	else if (loader->shown.len == 0 && entry->value.type == TOML_TABLE)
		diag_help(diag, "a service is written as [services.%s]", entry->key);
}

/* Is it a key, or a value, that locald knows but does not do yet? */
static bool is_later(struct config_loader *loader, const struct config_key *key,
                     const struct toml_entry *entry)
{
	cleanup_free char *got = NULL;

	if (!key->later || key->type == CFG_ENUM)
		return false;
	got = config_show_value(&entry->value);
	if (*key->later && str_eq(got, key->later))
		return true;
	/* A value of another type is wrong now and later. */
	if ((key->type == CFG_BOOL && entry->value.type != TOML_BOOLEAN) ||
	    (key->type == CFG_INT && entry->value.type != TOML_INTEGER)) {
		loader_expected(loader, &entry->value, true,
		                key->type == CFG_BOOL ? "true or false" : "an integer");
		return true;
	}
	if (*key->later)
		loader_report(loader, entry->value.pos, "C013", "%s: %s is not supported yet",
		              loader->shown.buf, got);
	else
		loader_report(loader, entry->pos, "C013", "%s is not supported yet",
		              loader->shown.buf);
	return true;
}

/* Remembers where the key is set; a key twice in a file (by two names) is reported. */
static void note_place(struct config_loader *loader, const struct scope *scope,
                       const struct config_key *key, const struct toml_entry *entry)
{
	struct config_places *places =
		scope->service ? &scope->service->places : &loader->project->places;
	const char *path = key->alias ? key->alias : key->path;
	size_t prefix = strlen(scope->service ? SERVICE_PATH "." : "project.");
	struct config_place *place = NULL;

	if (scope->service || str_starts(path, "project."))
		path += prefix;
	array_foreach(earlier, &places->list)
		if (str_eq(earlier->key, path))
			place = earlier;
	if (place && place->file == loader->file)
		diag_at_place(loader_report(loader, entry->pos, "C014", "%s is set twice",
		                            loader->shown.buf),
		              place, "the first time");
	if (!place)
		place = array_add(&places->list);
	*place = (struct config_place){path, loader->file, entry->value.pos};
}

static struct service_config *service_new(const char *name)
{
	struct service_config *service = xcalloc(1, sizeof(*service));

	service->name = xstrdup(name);
	service->restart = RESTART_ON_FAILURE;
	service->replicas = 1;
	service->stop_signal = SIGTERM;
	service->stop_timeout_ms = 10000;
	service->debounce_ms = 200;
	service->log_bytes = 64 << 20;
	service->autostart = true;
	service->build.cache = true;
	service->health = (struct health_config){
		.interval_ms = 1000,
		.timeout_ms = 1000,
		.start_period_ms = 30000,
		.retries = 3,
	};
	return service;
}

struct service_config *schema_add_service(struct project_config *project, const char *name,
                                          const struct config_file *file, struct toml_pos pos)
{
	struct service_config *service = project_service(project, name);

	if (service)
		return service;
	service = service_new(name);
	service->file = file;
	service->pos = pos;
	*array_add(&project->services) = service;
	return service;
}

/* A type that is not there yet is one finding, not one for each of its keys. */
static bool has_later_type(struct config_loader *loader, const struct toml_table *table)
{
	const struct config_key *key = schema_find(SERVICE_PATH ".type");
	const struct toml_value *type = toml_get(table, "type");
	size_t len = push_key(loader, "type");
	bool is_later_type = type && toml_is_c_string(type) &&
	                     config_word_index(key->later, type->string.text) >= 0;

	if (is_later_type)
		config_field_set(loader, key, type, NULL);
	strbuf_truncate(&loader->shown, len);
	return is_later_type;
}

static void report_name(struct config_loader *loader, const struct toml_entry *entry)
{
	cleanup_free char *better = config_make_label(entry->key);
	struct diagnostic *diag =
		loader_report(loader, entry->pos, "C020",
	                      "`%s` is not a name for a service: only letters, digits, - and _ "
	                      "(at most 63, no - at the front)",
	                      entry->key);

	loader_suggest(diag, better);
}

static void load_service(struct config_loader *loader, const struct toml_entry *entry)
{
	struct scope scope = {.pattern = SERVICE_PATH};

	if (entry->value.type != TOML_TABLE) {
		loader_expected(loader, &entry->value, true, "a table");
		return;
	}
	if (strlen(entry->key) != entry->key_len || !config_is_name(entry->key)) {
		report_name(loader, entry);
		return;
	}
	if (loader->project->services.len >= PROJECT_MAX_SERVICES) {
		if (loader->project->services.len == PROJECT_MAX_SERVICES)
			loader_report(loader, entry->pos, "C016", "more than %u services",
			              PROJECT_MAX_SERVICES);
		return;
	}
	scope.service = schema_add_service(loader->project, entry->key, loader->file, entry->pos);
	if (has_later_type(loader, entry->value.table))
		scope.service->is_unsupported = true;
	else
		load_table(loader, &scope, entry->value.table);
}

static void load_services(struct config_loader *loader, const struct toml_value *value)
{
	if (value->type != TOML_TABLE) {
		loader_expected(loader, value, true, "a table");
		return;
	}
	array_foreach(entry, &value->table->entries) {
		size_t len = push_key(loader, entry->key);

		load_service(loader, entry);
		strbuf_truncate(&loader->shown, len);
	}
}

static void load_health_command(struct config_loader *loader, struct service_config *service,
                                const struct toml_value *value)
{
	const struct config_key *key = schema_find(SERVICE_PATH ".health_check.command");

	if (config_field_set(loader, key, value, &service->health.command))
		service->health.type = HEALTH_COMMAND;
}

static void load_build_command(struct config_loader *loader, struct service_config *service,
                               const struct toml_value *value)
{
	static const struct config_key key = {.type = CFG_STRING};

	config_field_set(loader, &key, value, &service->build_command);
}

static void load_below(struct config_loader *loader, const struct scope *scope,
                       const struct config_key *key, const struct toml_value *value)
{
	const struct scope below = {key->path, scope->service};

	if (value->type == TOML_TABLE)
		load_table(loader, &below, value->table);
	else
		loader_expected(loader, value, true, "a table");
}

static void load_key(struct config_loader *loader, const struct scope *scope,
                     const struct config_key *key, const struct toml_entry *entry)
{
	const struct toml_value *value = &entry->value;
	char *base = scope->service ? (char *)scope->service : (char *)loader->project;
	bool is_ok = true;

	if (loader->is_outer && str_eq(key->path, "project.name")) {
		/* The Rust version asks for one wherever there is a [project]. */
		loader_report(loader, entry->pos, "W002",
		              "%s has no effect outside of the project's folder",
		              loader->shown.buf);
		return;
	}
	if (loader->is_outer && key->is_inner_only) {
		loader_report(loader, entry->pos, "C015", "%s belongs in locald.toml",
		              loader->shown.buf);
		return;
	}
	if (is_later(loader, key, entry))
		return;
	if (key->no_effect) {
		loader_report(loader, entry->pos, "W002", "%s has no effect", loader->shown.buf);
		return;
	}
	if (key->type == CFG_SERVICES) {
		load_services(loader, value);
		return;
	}
	if (key->type != CFG_TABLE)
		note_place(loader, scope, key, entry);
	if (key->type == CFG_HEALTH && value->type == TOML_STRING)
		load_health_command(loader, scope->service, value);
	else if (key->type == CFG_BUILD && value->type == TOML_STRING)
		load_build_command(loader, scope->service, value);
	else if (key->type == CFG_TABLE || key->type == CFG_HEALTH || key->type == CFG_BUILD)
		load_below(loader, scope, key, value);
	else
		is_ok = config_field_set(loader, key, value,
		                         key->offset == CONFIG_NO_FIELD ? NULL
		                                                        : base + key->offset);
	if (key->flag && is_ok && !(key->type == CFG_BUILD && value->type == TOML_STRING))
		*(bool *)(base + key->flag) = true;
}

static void load_table(struct config_loader *loader, const struct scope *scope,
                       const struct toml_table *table)
{
	array_foreach(entry, &table->entries) {
		const struct config_key *key = find_child(scope->pattern, entry->key);
		size_t len;

		if (!key || strlen(entry->key) != entry->key_len) {
			report_unknown(loader, scope, entry);
			continue;
		}
		len = push_key(loader, entry->key);
		load_key(loader, scope, key, entry);
		strbuf_truncate(&loader->shown, len);
	}
}

void schema_load(struct project_config *project, const struct config_file *file,
                 const struct toml_table *root, bool is_outer, struct diagnostics *diags)
{
	struct config_loader loader = {
		.project = project,
		.file = file,
		.source = {file->name, file->text, file->len},
		.is_outer = is_outer,
		.diags = diags,
		.shown = STRBUF_INIT,
	};
	const struct scope scope = {.pattern = ""};

	load_table(&loader, &scope, root);
	strbuf_release(&loader.shown);
}
