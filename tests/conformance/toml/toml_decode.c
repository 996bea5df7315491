#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "config/toml.h"
#include "config/toml_write.h"

#include <math.h>

/*
 * Reads TOML on stdin and prints it as toml-test's tagged JSON, or, with -w, as
 * our writer puts it.  A syntax error is "line:column: text" on stderr, status 1.
 */

static json_t *tagged(const char *type, json_t *text)
{
	json_t *object = json_object();

	json_object_set_new(object, "type", json_string(type));
	json_object_set_new(object, "value", text);
	return object;
}

static json_t *tag_value(const struct toml_value *value);

static json_t *tag_table(const struct toml_table *table)
{
	json_t *object = json_object();

	array_foreach(entry, &table->entries)
		json_object_setn_new(object, entry->key, entry->key_len, tag_value(&entry->value));
	return object;
}

static json_t *tag_float(double number)
{
	char text[40];

	snprintf(text, sizeof(text), "%.17g", number);
	return tagged("float", json_string(isnan(number) ? "nan" : text));
}

static json_t *tag_datetime(const struct toml_value *value)
{
	static const char *const types[] = {
		[TOML_DATETIME] = "datetime",
		[TOML_LOCAL_DATETIME] = "datetime-local",
		[TOML_LOCAL_DATE] = "date-local",
		[TOML_LOCAL_TIME] = "time-local",
	};
	char text[TOML_DATETIME_SIZE];

	toml_format_datetime(value, text);
	return tagged(types[value->type], json_string(text));
}

static json_t *tag_value(const struct toml_value *value)
{
	json_t *list;

	switch (value->type) {
	case TOML_STRING:
		return tagged("string", json_stringn(value->string.text, value->string.len));
	case TOML_INTEGER:
		return tagged("integer", json_sprintf("%lld", (long long)value->integer));
	case TOML_FLOAT:
		return tag_float(value->number);
	case TOML_BOOLEAN:
		return tagged("bool", json_string(value->boolean ? "true" : "false"));
	case TOML_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		return tag_datetime(value);
	case TOML_TABLE:
		return tag_table(value->table);
	case TOML_ARRAY:
		break;
	}
	list = json_array();
	array_foreach(item, &value->array)
		json_array_append_new(list, tag_value(item));
	return list;
}

int main(int argc, char **argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	cleanup_toml struct toml_table *root = NULL;
	cleanup_json json_t *json = NULL;
	cleanup_free char *dump = NULL;
	struct toml_pos pos = {0};

	if (fd_read_to_end(STDIN_FILENO, &text, 2 * TOML_MAX_BYTES, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	root = toml_parse(text.buf, text.len, &pos, &err);
	if (!root) {
		fprintf(stderr, "%d:%d: %s\n", pos.line, pos.column, err.text);
		return 1;
	}
	if (argc > 1 && argv[1][0] == '-' && argv[1][1] == 'w') {
		toml_put_document(&out, root);
		fwrite(out.buf, 1, out.len, stdout);
		return 0;
	}
	json = tag_table(root);
	dump = json_dumps(json, JSON_ENCODE_ANY);
	puts(dump);
	return 0;
}
