#include "config/toml_json.h"

#include "config/toml.h"

#include <math.h>

static json_t *float_to_json(double number)
{
	if (isnan(number))
		return json_string("nan");
	if (isinf(number))
		return json_string(number < 0 ? "-inf" : "inf");
	return json_real(number);
}

json_t *toml_value_to_json(const struct toml_value *value)
{
	char text[TOML_DATETIME_SIZE];
	json_t *list;

	switch (value->type) {
	case TOML_STRING:
		return json_stringn(value->string.text, value->string.len);
	case TOML_INTEGER:
		return json_integer(value->integer);
	case TOML_FLOAT:
		return float_to_json(value->number);
	case TOML_BOOLEAN:
		return json_boolean(value->boolean);
	case TOML_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		toml_format_datetime(value, text);
		return json_string(text);
	case TOML_TABLE:
		return toml_table_to_json(value->table);
	case TOML_ARRAY:
		break;
	}
	list = json_array();
	array_foreach(item, &value->array)
		json_array_append_new(list, toml_value_to_json(item));
	return list;
}

json_t *toml_table_to_json(const struct toml_table *table)
{
	json_t *object = json_object();

	array_foreach(entry, &table->entries)
		json_object_setn_new(object, entry->key, entry->key_len,
		                     toml_value_to_json(&entry->value));
	return object;
}
