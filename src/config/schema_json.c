#include "config/schema_field.h"

#include "base/str.h"

/* {"type": name} */
static json_t *typed(const char *name)
{
	json_t *object = json_object();

	json_set_str(object, "type", name);
	return object;
}

static json_t *table_of(json_t *values)
{
	json_t *object = typed("object");

	json_object_set_new(object, "additionalProperties", values);
	return object;
}

static json_t *any_of(json_t *a, json_t *b)
{
	json_t *object = json_object(), *list = json_array();

	json_array_append_new(list, a);
	json_array_append_new(list, b);
	json_object_set_new(object, "anyOf", list);
	return object;
}

static json_t *array_of(json_t *items)
{
	json_t *object = typed("array");

	json_object_set_new(object, "items", items);
	return object;
}

static json_t *strings(void)
{
	return array_of(typed("string"));
}

static json_t *between(const char *type, int64_t min, int64_t max)
{
	json_t *object = typed(type);

	json_set_int(object, "minimum", min);
	json_set_int(object, "maximum", max);
	return object;
}

static json_t *enumeration(const char *choices)
{
	json_t *object = json_object(), *list = json_array();

	for (size_t i = 0;; i++) {
		cleanup_free char *word = config_word(choices, i);

		if (!word)
			break;
		json_array_append_new(list, json_string(word));
	}
	json_object_set_new(object, "enum", list);
	return object;
}

static json_t *signal_names(void)
{
	json_t *object = json_object(), *list = json_array();
	const char *name;

	for (size_t i = 0; (name = config_signal_at(i)); i++) {
		json_array_append_new(list, json_string(name));
		json_array_append_new(list, json_string(name + strlen("SIG")));
	}
	json_object_set_new(object, "enum", list);
	return object;
}

static json_t *name_pattern(void)
{
	json_t *object = typed("string");

	json_set_str(object, "pattern", "^(?=.*[A-Za-z0-9])[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$");
	return object;
}

static json_t *env_values(void)
{
	json_t *object = json_object(), *types = json_array();

	json_array_append_new(types, json_string("string"));
	json_array_append_new(types, json_string("integer"));
	json_array_append_new(types, json_string("boolean"));
	json_object_set_new(object, "type", types);
	return object;
}

static json_t *object_below(const char *pattern);

static json_t *schema_of(const struct config_key *key)
{
	switch (key->type) {
	case CFG_BOOL:
		return typed("boolean");
	case CFG_INT:
		return between("integer", key->min, key->max);
	case CFG_PORT:
		return between("integer", 1, 65535);
	case CFG_DURATION:
		return any_of(typed("number"), typed("string"));
	case CFG_STRING:
	case CFG_DOMAIN:
		return typed("string");
	case CFG_STRINGS:
	case CFG_VOLUMES:
		return strings();
	case CFG_DECIMAL:
		return typed("number");
	case CFG_SIZE:
		return any_of(typed("integer"), typed("string"));
	case CFG_INTS:
		return array_of(between("integer", key->min, key->max));
	case CFG_NAME:
		return name_pattern();
	case CFG_ENUM:
		return enumeration(key->choices);
	case CFG_SIGNAL:
		return signal_names();
	case CFG_COMMAND:
		return any_of(typed("string"), strings());
	case CFG_ENV:
		return table_of(env_values());
	case CFG_DEPENDS:
		return any_of(strings(), table_of(enumeration("ready started completed")));
	case CFG_TABLE:
		return object_below(key->path);
	case CFG_BUILD:
	case CFG_HEALTH:
		return any_of(typed("string"), object_below(key->path));
	case CFG_SERVICES:
		return table_of(object_below("services.*"));
	case CFG_ANY:
		break;
	}
	return json_object();
}

/* An object whose properties are the keys directly below `pattern` ("" is the root). */
static json_t *object_below(const char *pattern)
{
	json_t *object = typed("object"), *properties = json_object();
	const struct config_key *key;
	size_t len = strlen(pattern);

	for (size_t i = 0; (key = schema_key_at(i)); i++) {
		const char *name = key->path;
		json_t *property;

		if (len > 0 && (strncmp(name, pattern, len) != 0 || name[len] != '.'))
			continue;
		name += len > 0 ? len + 1 : 0;
		/* What is not supported yet is left out: an editor should not offer it. */
		if (strpbrk(name, ".*") || key->no_effect ||
		    (key->later && key->type != CFG_ENUM && !*key->later))
			continue;
		property = schema_of(key);
		json_set_str(property, "description", key->summary);
		json_object_set_new(properties, name, property);
	}
	json_object_set_new(object, "properties", properties);
	json_set_bool(object, "additionalProperties", false);
	return object;
}

json_t *schema_to_json_schema(void)
{
	json_t *schema = json_object(), *root = object_below("");

	json_set_str(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_set_str(schema, "title", "locald.toml");
	json_object_update(schema, root);
	json_decref(root);
	return schema;
}
