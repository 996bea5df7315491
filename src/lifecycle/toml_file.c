#include "lifecycle/toml_file.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/toml.h"
#include "config/toml_json.h"
#include "config/toml_write.h"

#include <errno.h>

int toml_text_read(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	struct toml_pos pos = {0};
	cleanup_toml struct toml_table *table = toml_parse(text, len, &pos, err);

	if (!table)
		return error_wrap(err, "%s:%d:%d", what, pos.line, pos.column);
	*ret = toml_table_to_json(table);
	return 0;
}

int toml_file_read(const char *path, json_t **ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, TOML_MAX_BYTES, &text, err) < 0)
		return -1;
	return toml_text_read(text.buf, text.len, path, ret, err);
}

int toml_file_read_optional(const char *path, json_t **ret, struct error *err)
{
	if (!fs_exists(path)) {
		*ret = json_object();
		return 0;
	}
	return toml_file_read(path, ret, err);
}

static struct toml_table *table_of(const json_t *object);

/* False for null, which has no TOML. */
static bool value_of(const json_t *json, struct toml_value *ret)
{
	size_t i;
	json_t *item;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		ret->type = TOML_TABLE;
		ret->table = table_of(json);
		break;
	case JSON_ARRAY:
		ret->type = TOML_ARRAY;
		json_array_foreach((json_t *)json, i, item) {
			struct toml_value value = {0};

			if (value_of(item, &value))
				*array_add(&ret->array) = value;
		}
		break;
	case JSON_STRING:
		ret->type = TOML_STRING;
		ret->string.len = json_string_length(json);
		ret->string.text = xstrndup(json_string_value(json), ret->string.len);
		break;
	case JSON_INTEGER:
		ret->type = TOML_INTEGER;
		ret->integer = json_integer_value(json);
		break;
	case JSON_REAL:
		ret->type = TOML_FLOAT;
		ret->number = json_real_value(json);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		ret->type = TOML_BOOLEAN;
		ret->boolean = json_is_true(json);
		break;
	case JSON_NULL:
		return false;
	}
	return true;
}

static struct toml_table *table_of(const json_t *object)
{
	struct toml_table *table = xcalloc(1, sizeof(*table));
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)object, key, member) {
		struct toml_value value = {0};
		struct toml_entry *entry;

		if (!value_of(member, &value))
			continue;
		entry = array_add(&table->entries);
		entry->key = xstrdup(key);
		entry->key_len = strlen(key);
		entry->value = value;
	}
	return table;
}

void toml_text_write(const json_t *root, struct strbuf *out)
{
	cleanup_toml struct toml_table *table = table_of(root);

	toml_put_document(out, table);
}

int toml_file_write(const char *path, const json_t *root, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	toml_text_write(root, &text);
	return fs_write_atomic(path, text.buf, text.len, 0644, err);
}
