#include "config/schema_field.h"

#include "base/str.h"

#include <signal.h>

static const struct signal_name {
	const char *name;
	int number;
} signals[] = {
	{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGHUP", SIGHUP},
	{"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGWINCH", SIGWINCH},
	{"SIGALRM", SIGALRM}, {"SIGABRT", SIGABRT}, {"SIGCONT", SIGCONT}, {"SIGPWR", SIGPWR},
};

int config_signal_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (str_eq(signals[i].name, name) || str_eq(signals[i].name + strlen("SIG"), name))
			return signals[i].number;
	return 0;
}

const char *config_signal_nearest(const char *name)
{
	const char *names[ARRAY_LEN(signals)];

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		names[i] = signals[i].name;
	return str_nearest(name, names, ARRAY_LEN(names));
}

const char *config_signal_at(size_t n)
{
	return n < ARRAY_LEN(signals) ? signals[n].name : NULL;
}

void config_field_release(const struct config_key *key, void *field)
{
	switch (key->type) {
	case CFG_STRING:
	case CFG_NAME:
	case CFG_DOMAIN:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case CFG_STRINGS:
		strv_release(field);
		break;
	case CFG_COMMAND:
		config_command_release(field);
		break;
	case CFG_ENV:
		env_list_release(field);
		break;
	case CFG_DEPENDS:
		dependency_list_release(field);
		break;
	case CFG_INTS:
		array_release(&((struct int_list *)field)->list);
		break;
	case CFG_VOLUMES:
		volume_list_release(field);
		break;
	case CFG_BOOL:
	case CFG_INT:
	case CFG_PORT:
	case CFG_DURATION:
	case CFG_ENUM:
	case CFG_SIGNAL:
	case CFG_SIZE:
	case CFG_DECIMAL:
	case CFG_TABLE:
	case CFG_HEALTH:
	case CFG_BUILD:
	case CFG_SERVICES:
	case CFG_ANY:
		break;
	}
}

static json_t *command_to_json(const struct config_command *command)
{
	if (command->shell)
		return json_string(command->shell);
	return command->argv.len > 0 ? json_from_strv(&command->argv) : json_null();
}

static json_t *env_to_json(const struct env_list *env)
{
	json_t *object = json_object();

	array_foreach(entry, &env->list)
		json_set_str(object, entry->name, entry->value);
	return object;
}

static json_t *depends_to_json(const struct dependency_list *list)
{
	json_t *object = json_object();

	array_foreach(dep, &list->list)
		json_set_str(object, dep->service, dependency_until_name(dep->until));
	return object;
}

static json_t *ints_to_json(const struct int_list *ints)
{
	json_t *array = json_array();

	array_foreach(number, &ints->list)
		json_array_append_new(array, json_integer(*number));
	return array;
}

static json_t *volumes_to_json(const struct volume_list *volumes)
{
	json_t *array = json_array();

	array_foreach(volume, &volumes->list) {
		cleanup_free char *text = volume_text(volume);

		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *enum_to_json(const struct config_key *key, int value)
{
	cleanup_free char *word =
		value < key->min ? NULL : config_word(key->choices, (size_t)(value - key->min));

	return word ? json_string(word) : json_null();
}

json_t *config_field_to_json(const struct config_key *key, const void *field)
{
	switch (key->type) {
	case CFG_BOOL:
		return json_boolean(*(const bool *)field);
	case CFG_INT:
	case CFG_PORT:
	case CFG_DURATION:
	case CFG_SIGNAL:
	case CFG_DECIMAL:
		return json_integer(*(const int *)field);
	case CFG_SIZE:
		return json_integer(*(const int64_t *)field);
	case CFG_VOLUMES:
		return volumes_to_json(field);
	case CFG_STRING:
	case CFG_NAME:
	case CFG_DOMAIN:
		return *(char *const *)field ? json_string(*(char *const *)field) : json_null();
	case CFG_STRINGS:
		return json_from_strv(field);
	case CFG_INTS:
		return ints_to_json(field);
	case CFG_ENUM:
		return enum_to_json(key, *(const int *)field);
	case CFG_COMMAND:
		return command_to_json(field);
	case CFG_ENV:
		return env_to_json(field);
	case CFG_DEPENDS:
		return depends_to_json(field);
	case CFG_TABLE:
	case CFG_HEALTH:
	case CFG_BUILD:
	case CFG_SERVICES:
	case CFG_ANY:
		break;
	}
	return json_null();
}
