#include "config/schema_field.h"

#include "base/error.h"
#include "config/toml.h"

#include <math.h>

typedef bool set_fn(struct config_loader *loader, const struct config_key *key,
                    const struct toml_value *value, void *field);

/* --- strings --- */

bool loader_get_text(struct config_loader *loader, const struct toml_value *value, const char **ret)
{
	if (value->type != TOML_STRING) {
		loader_expected(loader, value, true, "a string");
		return false;
	}
	if (!toml_is_c_string(value)) {
		loader_report(loader, value->pos, "C011", "%s: a string with a NUL character",
		              loader->shown.buf);
		return false;
	}
	*ret = value->string.text;
	return true;
}

static void replace_text(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text);
}

static bool get_filled_text(struct config_loader *loader, const struct toml_value *value,
                            const char **ret)
{
	if (!loader_get_text(loader, value, ret))
		return false;
	if (**ret)
		return true;
	loader_report(loader, value->pos, "C011", "%s: must not be empty", loader->shown.buf);
	return false;
}

static bool set_string(struct config_loader *loader, const struct config_key *key,
                       const struct toml_value *value, void *field)
{
	const char *text;

	if (!get_filled_text(loader, value, &text))
		return false;
	replace_text(field, text);
	return true;
}

static bool set_name(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	const char *text;

	if (!loader_get_text(loader, value, &text))
		return false;
	if (!config_is_name(text)) {
		loader_expected(
			loader, value, false,
			"a name of letters, digits, - and _ (at most 63, no - at the front)");
		return false;
	}
	replace_text(field, text);
	return true;
}

static bool is_domain(const char *text)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *label;

	if (strlen(text) > 253)
		return false;
	while ((label = strsep(&rest, ".")))
		if (!config_is_label(label))
			return false;
	return true;
}

static bool set_domain(struct config_loader *loader, const struct config_key *key,
                       const struct toml_value *value, void *field)
{
	cleanup_free char *lower = NULL;
	const char *text;

	if (!loader_get_text(loader, value, &text))
		return false;
	lower = xstrdup(text);
	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	if (!is_domain(lower)) {
		loader_expected(loader, value, false, "a domain such as shop.localhost");
		return false;
	}
	replace_text(field, lower);
	return true;
}

/* --- numbers and choices --- */

static bool set_bool(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	if (value->type != TOML_BOOLEAN) {
		loader_expected(loader, value, true, "true or false");
		return false;
	}
	*(bool *)field = value->boolean;
	return true;
}

static bool set_int_between(struct config_loader *loader, const struct toml_value *value,
                            int64_t min, int64_t max, int *field)
{
	bool is_integer = value->type == TOML_INTEGER;

	if (!is_integer || value->integer < min || value->integer > max) {
		loader_expected(loader, value, !is_integer, "%lld-%lld", (long long)min,
		                (long long)max);
		return false;
	}
	*field = (int)value->integer;
	return true;
}

static bool set_int(struct config_loader *loader, const struct config_key *key,
                    const struct toml_value *value, void *field)
{
	return set_int_between(loader, value, key->min, key->max, field);
}

static bool set_decimal(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field)
{
	double number = value->type == TOML_INTEGER ? (double)value->integer
	                : value->type == TOML_FLOAT ? value->number
	                                            : (double)NAN;

	if (isnan(number) || number * 1000 < (double)key->min || number * 1000 > (double)key->max) {
		loader_expected(loader, value, isnan(number), "a number from %g to %g",
		                (double)key->min / 1000, (double)key->max / 1000);
		return false;
	}
	*(int *)field = (int)(number * 1000 + 0.5);
	return true;
}

static bool set_size(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	int64_t bytes = value->type == TOML_INTEGER ? value->integer
	                : toml_is_c_string(value)   ? str_size_bytes(value->string.text)
	                                            : -1;

	if (bytes < key->min || bytes > key->max) {
		loader_expected(loader, value,
		                value->type != TOML_INTEGER && value->type != TOML_STRING,
		                "bytes, or a size from \"%lldM\" on such as \"512M\" or \"1.5G\"",
		                (long long)(key->min >> 20));
		return false;
	}
	*(int64_t *)field = bytes;
	return true;
}

static bool set_port(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	return set_int_between(loader, value, 1, 65535, field);
}

static bool set_duration(struct config_loader *loader, const struct config_key *key,
                         const struct toml_value *value, void *field)
{
	double ms = value->type == TOML_INTEGER ? (double)value->integer * 1000
	            : value->type == TOML_FLOAT ? value->number * 1000
	            : toml_is_c_string(value)   ? str_duration_ms(value->string.text)
	                                        : (double)NAN;

	if (isnan(ms)) {
		loader_expected(loader, value, value->type != TOML_STRING,
		                "seconds, or a time such as \"500ms\", \"2s\" or \"1m\"");
		return false;
	}
	if (ms < (double)key->min || ms > (double)key->max) {
		loader_expected(loader, value, false, "%g to %g seconds", (double)key->min / 1000,
		                (double)key->max / 1000);
		return false;
	}
	*(int *)field = (int)(ms + 0.5);
	return true;
}

char *config_word(const char *words, size_t n)
{
	size_t len;

	for (; n > 0 && words; n--) {
		words = strchr(words, ' ');
		words = words ? words + 1 : NULL;
	}
	if (!words)
		return NULL;
	len = strcspn(words, " ");
	return len > 0 ? xstrndup(words, len) : NULL;
}

int config_word_index(const char *words, const char *word)
{
	for (int i = 0;; i++) {
		cleanup_free char *candidate = words ? config_word(words, (size_t)i) : NULL;

		if (!candidate)
			return -1;
		if (str_eq(candidate, word))
			return i;
	}
}

static void report_choice(struct config_loader *loader, const struct config_key *key,
                          const struct toml_value *value)
{
	cleanup(strv_release) struct strv choices = STRV_INIT;
	cleanup(strbuf_release) struct strbuf list = STRBUF_INIT;
	struct diagnostic *diag;

	for (char *word; (word = config_word(key->choices, choices.len));)
		strv_add_take(&choices, word);
	for (size_t i = 0; i < choices.len; i++)
		strbuf_addf(&list, "%s\"%s\"",
		            i == 0                 ? ""
		            : i + 1 == choices.len ? " or "
		                                   : ", ",
		            choices.items[i]);
	diag = loader_expected(loader, value, value->type != TOML_STRING, "%s", list.buf);
	if (value->type == TOML_STRING)
		loader_suggest(diag, str_nearest(value->string.text,
		                                 (const char *const *)choices.items, choices.len));
}

static bool set_enum(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	int index;

	if (!toml_is_c_string(value)) {
		report_choice(loader, key, value);
		return false;
	}
	index = config_word_index(key->choices, value->string.text);
	if (index < 0 && config_word_index(key->later, value->string.text) >= 0) {
		loader_report(loader, value->pos, "C013", "%s: \"%s\" is not supported yet",
		              loader->shown.buf, value->string.text);
		return false;
	}
	if (index < 0) {
		report_choice(loader, key, value);
		return false;
	}
	if (field)
		*(int *)field = index + (int)key->min;
	return true;
}

static bool set_signal(struct config_loader *loader, const struct config_key *key,
                       const struct toml_value *value, void *field)
{
	int number = toml_is_c_string(value) ? config_signal_number(value->string.text) : 0;

	if (number == 0) {
		struct diagnostic *diag = loader_expected(loader, value, value->type != TOML_STRING,
		                                          "a signal such as \"SIGTERM\"");

		if (value->type == TOML_STRING)
			loader_suggest(diag, config_signal_nearest(value->string.text));
		return false;
	}
	*(int *)field = number;
	return true;
}

/* --- lists --- */

static bool fill_strv(struct config_loader *loader, const struct toml_value *value,
                      struct strv *out)
{
	if (value->type != TOML_ARRAY) {
		loader_expected(loader, value, true, "an array of strings");
		return false;
	}
	array_foreach(item, &value->array) {
		const char *text;

		if (!loader_get_text(loader, item, &text))
			return false;
		strv_add(out, text);
	}
	return true;
}

static bool set_strings(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field)
{
	struct strv items = STRV_INIT;

	if (!fill_strv(loader, value, &items)) {
		strv_release(&items);
		return false;
	}
	strv_release(field);
	*(struct strv *)field = items;
	return true;
}

static bool set_ints(struct config_loader *loader, const struct config_key *key,
                     const struct toml_value *value, void *field)
{
	struct int_list *list = field;
	bool is_ok = true;

	if (value->type != TOML_ARRAY) {
		loader_expected(loader, value, true, "an array of integers");
		return false;
	}
	array_release(&list->list);
	array_foreach(item, &value->array) {
		int number;

		if (set_int_between(loader, item, key->min, key->max, &number))
			*array_add(&list->list) = number;
		else
			is_ok = false;
	}
	return is_ok;
}

void config_command_release(struct config_command *command)
{
	free(command->shell);
	command->shell = NULL;
	strv_release(&command->argv);
}

static bool set_command(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field)
{
	struct config_command command = {0}, *old = field;
	const char *text;
	bool is_ok = true;

	if (value->type == TOML_STRING) {
		is_ok = get_filled_text(loader, value, &text);
		command.shell = is_ok ? xstrdup(text) : NULL;
	} else if (value->type != TOML_ARRAY) {
		loader_expected(loader, value, true, "a string or an array of strings");
		is_ok = false;
	} else {
		is_ok = fill_strv(loader, value, &command.argv);
		if (is_ok && (command.argv.len == 0 || !*command.argv.items[0])) {
			loader_report(loader, value->pos, "C011", "%s: must not be empty",
			              loader->shown.buf);
			is_ok = false;
		}
	}
	if (!is_ok) {
		config_command_release(&command);
		return false;
	}
	config_command_release(old);
	*old = command;
	return true;
}

/* --- environment --- */

void env_list_set(struct env_list *env, const char *name, const char *value,
                  const struct config_file *file, struct toml_pos pos)
{
	struct env_entry *found = NULL;

	array_foreach(entry, &env->list)
		if (str_eq(entry->name, name))
			found = entry;
	if (!found) {
		found = array_add(&env->list);
		found->name = xstrdup(name);
	}
	replace_text(&found->value, value);
	found->file = file;
	found->pos = pos;
}

void env_list_release(struct env_list *env)
{
	array_foreach(entry, &env->list) {
		free(entry->name);
		free(entry->value);
	}
	array_release(&env->list);
}

static bool is_variable_name(const struct toml_entry *entry)
{
	const char *name = entry->key;
	size_t len =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-");

	return len > 0 && len == entry->key_len && !strchr("0123456789.-", name[0]);
}

static bool set_variable(struct config_loader *loader, const struct toml_entry *entry,
                         struct env_list *env)
{
	const struct toml_value *value = &entry->value;
	cleanup_free char *text = NULL;

	if (!is_variable_name(entry)) {
		loader_report(loader, entry->pos, "C020", "%s: `%s` is not the name of a variable",
		              loader->shown.buf, entry->key);
		return false;
	}
	if (toml_is_c_string(value)) {
		text = xstrdup(value->string.text);
	} else if (value->type == TOML_INTEGER || value->type == TOML_BOOLEAN) {
		text = config_show_value(value);
	} else {
		size_t len = loader->shown.len;

		strbuf_addf(&loader->shown, ".%s", entry->key);
		/* 1.10 would become 1.1: how a number is written matters in an environment. */
		diag_help(loader_expected(loader, value, true, "a string"), "write it in quotes");
		strbuf_truncate(&loader->shown, len);
		return false;
	}
	env_list_set(env, entry->key, text, loader->file, value->pos);
	return true;
}

static bool set_env(struct config_loader *loader, const struct config_key *key,
                    const struct toml_value *value, void *field)
{
	bool is_ok = true;

	if (value->type != TOML_TABLE) {
		loader_expected(loader, value, true, "a table such as { NAME = \"value\" }");
		return false;
	}
	array_foreach(entry, &value->table->entries)
		is_ok = set_variable(loader, entry, field) && is_ok;
	return is_ok;
}

/* --- dependencies --- */

static const char until_words[] = "ready started completed";

const char *dependency_until_name(enum dependency_until until)
{
	static const char *const names[] = {"ready", "started", "completed"};

	return names[until];
}

void dependency_list_release(struct dependency_list *list)
{
	array_foreach(dep, &list->list)
		free(dep->service);
	array_release(&list->list);
}

static void add_dependency(struct config_loader *loader, struct dependency_list *list,
                           const char *name, struct toml_pos pos, enum dependency_until until)
{
	struct dependency *dep;

	array_foreach(earlier, &list->list) {
		if (!str_eq(earlier->service, name))
			continue;
		loader_report(loader, pos, "C014", "%s: `%s` is there twice", loader->shown.buf,
		              name);
		return;
	}
	dep = array_add(&list->list);
	dep->service = xstrdup(name);
	dep->until = until;
	dep->file = loader->file;
	dep->pos = pos;
}

static bool fill_from_table(struct config_loader *loader, const struct toml_table *table,
                            struct dependency_list *list)
{
	static const struct config_key until_key = {.choices = until_words};
	bool is_ok = true;

	array_foreach(entry, &table->entries) {
		size_t len = loader->shown.len;
		int until = 0;

		strbuf_addf(&loader->shown, ".%s", entry->key);
		is_ok = set_enum(loader, &until_key, &entry->value, &until) && is_ok;
		strbuf_truncate(&loader->shown, len);
		add_dependency(loader, list, entry->key, entry->pos, (enum dependency_until)until);
	}
	return is_ok;
}

static bool set_depends(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field)
{
	struct dependency_list list = {0};
	bool is_ok = true;
	const char *name;

	if (value->type == TOML_TABLE) {
		is_ok = fill_from_table(loader, value->table, &list);
	} else if (value->type == TOML_ARRAY) {
		array_foreach(item, &value->array) {
			if (loader_get_text(loader, item, &name))
				add_dependency(loader, &list, name, item->pos, DEPENDENCY_READY);
			else
				is_ok = false;
		}
	} else {
		loader_expected(loader, value, true,
		                "an array of services, or a table such as { db = \"ready\" }");
		return false;
	}
	dependency_list_release(field);
	*(struct dependency_list *)field = list;
	return is_ok;
}

/* --- by type --- */

static set_fn *const setters[] = {
	[CFG_BOOL] = set_bool,
	[CFG_INT] = set_int,
	[CFG_PORT] = set_port,
	[CFG_DURATION] = set_duration,
	[CFG_STRING] = set_string,
	[CFG_STRINGS] = set_strings,
	[CFG_NAME] = set_name,
	[CFG_DOMAIN] = set_domain,
	[CFG_ENUM] = set_enum,
	[CFG_SIGNAL] = set_signal,
	[CFG_COMMAND] = set_command,
	[CFG_ENV] = set_env,
	[CFG_DEPENDS] = set_depends,
	[CFG_INTS] = set_ints,
	[CFG_SIZE] = set_size,
	[CFG_DECIMAL] = set_decimal,
	[CFG_VOLUMES] = config_volumes_set,
};

bool config_field_set(struct config_loader *loader, const struct config_key *key,
                      const struct toml_value *value, void *field)
{
	return setters[key->type](loader, key, value, field);
}
