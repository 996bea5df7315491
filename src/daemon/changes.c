#include "daemon/changes.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

struct comparison {
	const struct project_config *config;
	const struct service_config *service;
	const json_t *before, *after;
	json_t *reasons;
};

bool changes_is_secret(const char *name)
{
	static const char *const words[] = {"SECRET",     "TOKEN", "PASSWORD",   "PASSWD",
	                                    "PASSPHRASE", "KEY",   "CREDENTIAL", "AUTH",
	                                    "COOKIE",     "DSN"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

/* A URL with a password in it, as well. */
static bool may_show(const char *name, const char *value)
{
	const char *scheme = value ? strstr(value, "://") : NULL;

	return !changes_is_secret(name) && !(scheme && strchr(scheme, '@'));
}

static json_t *add_reason(struct comparison *c, const char *what)
{
	json_t *reason = json_object();

	json_set_str(reason, "what", what);
	json_array_append_new(c->reasons, reason);
	return reason;
}

static void set_place(json_t *reason, const struct config_file *file, int line)
{
	if (!file)
		return;
	json_set_str(reason, "file", file->name);
	if (line > 0)
		json_set_int(reason, "line", line);
}

static void set_text(json_t *reason, const char *key, const json_t *value)
{
	cleanup_free char *text = NULL;

	if (!value || json_is_null(value))
		return;
	if (json_is_string(value)) {
		json_set_str(reason, key, json_string_value(value));
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	json_set_str(reason, key, text);
}

/* --- variables --- */

static const struct env_entry *entry_of(const struct env_list *env, const char *name)
{
	array_foreach(entry, &env->list)
		if (str_eq(entry->name, name))
			return entry;
	return NULL;
}

/* As it is written, for the service or for all; NULL: not in the configuration. */
static const char *written(const json_t *side, const char *name)
{
	const json_t *own = json_object_get(json_object_get(side, "config"), "env");
	const char *value = json_get_str(own, name, NULL);

	return value ? value : json_get_str(json_object_get(side, "shared_env"), name, NULL);
}

static const char *expanded(const json_t *side, const char *name)
{
	size_t i, len = strlen(name);
	json_t *item;

	json_array_foreach(json_object_get(side, "env"), i, item) {
		const char *text = json_string_value(item);

		if (text && strncmp(text, name, len) == 0 && text[len] == '=')
			return text + len + 1;
	}
	return NULL;
}

static void compare_variable(struct comparison *c, const char *name)
{
	cleanup_free char *what = xasprintf("env %s", name);
	const char *before = written(c->before, name), *after = written(c->after, name);
	const struct env_entry *entry = entry_of(&c->service->env, name);
	json_t *reason;

	if (str_eq_null(expanded(c->before, name), expanded(c->after, name)) &&
	    str_eq_null(before, after))
		return;
	reason = add_reason(c, what);
	if (!entry)
		entry = entry_of(&c->config->env, name);
	if (entry)
		set_place(reason, entry->file, entry->pos.line);
	if (str_eq_null(before, after) || !may_show(name, before) || !may_show(name, after))
		return;
	if (before)
		json_set_str(reason, "before", before);
	if (after)
		json_set_str(reason, "after", after);
}

static void add_names(const json_t *side, struct strv *names)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(side, "env"), i, item) {
		const char *text = json_string_value(item),
			   *equals = text ? strchr(text, '=') : NULL;
		cleanup_free char *name = equals ? xstrndup(text, (size_t)(equals - text)) : NULL;

		if (name && !strv_has(names, name))
			strv_add(names, name);
	}
}

static void compare_variables(struct comparison *c)
{
	cleanup(strv_release) struct strv names = STRV_INIT;

	add_names(c->before, &names);
	add_names(c->after, &names);
	for (size_t i = 0; i < names.len; i++)
		compare_variable(c, names.items[i]);
}

/* --- the rest --- */

static void compare_key(struct comparison *c, const char *key, const json_t *before,
                        const json_t *after)
{
	const struct config_place *place = service_place_of(c->service, key);
	json_t *reason;

	if (json_equal(before, after))
		return;
	reason = add_reason(c, key);
	if (place)
		set_place(reason, place->file, place->pos.line);
	/* build.env and the like are tables: named only. */
	if (json_is_object(before) || json_is_object(after))
		return;
	set_text(reason, "before", before);
	set_text(reason, "after", after);
}

static void compare_config(struct comparison *c)
{
	const json_t *before = json_object_get(c->before, "config");
	const json_t *after = json_object_get(c->after, "config");
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)after, key, value)
		if (!str_eq(key, "env"))
			compare_key(c, key, json_object_get(before, key), value);
	/* Keys that this version has no more cannot be told apart from those that went. */
	json_object_foreach((json_t *)before, key, value)
		if (!str_eq(key, "env") && !json_object_get(after, key))
			compare_key(c, key, value, NULL);
}

json_t *changes_between(const char *before, const char *after, const struct project_config *config,
                        const struct service_config *service)
{
	static const char *const derived[] = {"mode", "port", "cwd", "image"};
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_json json_t *old = before ? json_parse(before, strlen(before), &ignored) : NULL;
	cleanup_json json_t *new = after ? json_parse(after, strlen(after), &ignored) : NULL;
	struct comparison c = {config, service, old, new, json_array()};

	if (!old || !new)
		return c.reasons;
	compare_config(&c);
	compare_variables(&c);
	/* What follows from other things is a reason only where none of those was found. */
	for (size_t i = 0; i < ARRAY_LEN(derived) && json_array_size(c.reasons) == 0; i++) {
		const json_t *was = json_object_get(old, derived[i]);
		const json_t *is = json_object_get(new, derived[i]);

		if (was != is && !json_equal(was, is)) /* NULL is no value to json_equal() */
			(void)add_reason(&c, derived[i]);
	}
	return c.reasons;
}
