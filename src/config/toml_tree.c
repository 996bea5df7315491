#include "config/toml_parse.h"

#include "base/error.h"
#include "base/str.h"

#define INDEX_FROM 16 /* tables with fewer entries are searched one by one */

struct toml_table *toml_table_new(enum table_origin origin)
{
	struct toml_table *table = xcalloc(1, sizeof(*table));

	table->state.origin = (uint8_t)origin;
	return table;
}

void toml_value_release(struct toml_value *value)
{
	if (value->type == TOML_STRING) {
		free(value->string.text);
	} else if (value->type == TOML_TABLE) {
		toml_table_free(value->table);
	} else if (value->type == TOML_ARRAY) {
		array_foreach(item, &value->array)
			toml_value_release(item);
		array_release(&value->array);
	}
}

void toml_table_free(struct toml_table *table)
{
	if (!table)
		return;
	array_foreach(entry, &table->entries) {
		free(entry->key);
		toml_value_release(&entry->value);
	}
	array_release(&table->entries);
	free(table->state.slots);
	free(table);
}

/* FNV-1a: only the speed of a 1 MiB file hangs on it, so no secret is mixed in. */
static size_t hash_of(const char *key, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
	return (size_t)(hash ^ hash >> 32);
}

static bool is_key(const struct toml_entry *entry, const char *key, size_t len)
{
	return entry->key_len == len && memcmp(entry->key, key, len) == 0;
}

/* A slot holds an entry's number plus one; zero is free. */
static void index_entry(struct toml_table *table, size_t number)
{
	const struct toml_entry *entry = &table->entries.items[number];
	size_t mask = table->state.slot_count - 1;
	size_t slot = hash_of(entry->key, entry->key_len) & mask;

	while (table->state.slots[slot])
		slot = (slot + 1) & mask;
	table->state.slots[slot] = (uint32_t)number + 1;
}

static void index_all(struct toml_table *table)
{
	struct toml_parse_state *state = &table->state;

	state->slot_count = state->slot_count ? state->slot_count * 2 : (size_t)INDEX_FROM * 4;
	free(state->slots);
	state->slots = xcalloc(state->slot_count, sizeof(*state->slots));
	for (size_t i = 0; i < table->entries.len; i++)
		index_entry(table, i);
}

struct toml_entry *toml_find_len(const struct toml_table *table, const char *key, size_t len)
{
	size_t mask = table->state.slot_count - 1;

	if (!table->state.slots) {
		array_foreach(entry, &table->entries)
			if (is_key(entry, key, len))
				return entry;
		return NULL;
	}
	for (size_t slot = hash_of(key, len) & mask; table->state.slots[slot];
	     slot = (slot + 1) & mask) {
		struct toml_entry *entry = &table->entries.items[table->state.slots[slot] - 1];

		if (is_key(entry, key, len))
			return entry;
	}
	return NULL;
}

struct toml_entry *toml_table_add(struct toml_table *table, struct toml_key_part *part)
{
	struct toml_entry *entry = array_add(&table->entries);

	entry->key = take_ptr(part->text);
	entry->key_len = part->len;
	entry->pos = part->pos;
	if (table->entries.len > INDEX_FROM && table->entries.len * 2 > table->state.slot_count)
		index_all(table);
	else if (table->state.slots)
		index_entry(table, table->entries.len - 1);
	return entry;
}

const struct toml_entry *toml_find(const struct toml_table *table, const char *key)
{
	return table ? toml_find_len(table, key, strlen(key)) : NULL;
}

const struct toml_value *toml_get(const struct toml_table *table, const char *key)
{
	const struct toml_entry *entry = toml_find(table, key);

	return entry ? &entry->value : NULL;
}

static const struct toml_value *get_typed(const struct toml_table *table, const char *key,
                                          enum toml_type type)
{
	const struct toml_value *value = toml_get(table, key);

	return value && value->type == type ? value : NULL;
}

bool toml_is_c_string(const struct toml_value *value)
{
	return value->type == TOML_STRING && strlen(value->string.text) == value->string.len;
}

const char *toml_get_str(const struct toml_table *table, const char *key, const char *def)
{
	const struct toml_value *value = toml_get(table, key);

	return value && toml_is_c_string(value) ? value->string.text : def;
}

int64_t toml_get_int(const struct toml_table *table, const char *key, int64_t def)
{
	const struct toml_value *value = get_typed(table, key, TOML_INTEGER);

	return value ? value->integer : def;
}

bool toml_get_bool(const struct toml_table *table, const char *key, bool def)
{
	const struct toml_value *value = get_typed(table, key, TOML_BOOLEAN);

	return value ? value->boolean : def;
}

const struct toml_table *toml_get_table(const struct toml_table *table, const char *key)
{
	const struct toml_value *value = get_typed(table, key, TOML_TABLE);

	return value ? value->table : NULL;
}

const struct toml_value *toml_get_array(const struct toml_table *table, const char *key)
{
	return get_typed(table, key, TOML_ARRAY);
}

int toml_need_str(const struct toml_table *table, const char *key, const char **ret,
                  struct error *err)
{
	const struct toml_value *value = toml_get(table, key);

	if (!value)
		return error_set(err, ERR_CONFIG, "%s is missing", key);
	if (!toml_is_c_string(value))
		return error_set(err, ERR_CONFIG, "%s: expected a string, got %s", key,
		                 value->type == TOML_STRING ? "one with a NUL character"
		                                            : toml_type_name(value->type));
	*ret = value->string.text;
	return 0;
}

int toml_get_strv(const struct toml_table *table, const char *key, struct strv *out,
                  struct error *err)
{
	const struct toml_value *value = toml_get(table, key);

	if (!value)
		return 0;
	if (value->type != TOML_ARRAY)
		return error_set(err, ERR_CONFIG, "%s: expected an array of strings, got %s", key,
		                 toml_type_name(value->type));
	array_foreach(item, &value->array)
		if (!toml_is_c_string(item))
			return error_set(err, ERR_CONFIG, "%s: expected strings, got %s", key,
			                 item->type == TOML_STRING ? "one with a NUL character"
			                                           : toml_type_name(item->type));
	array_foreach(item, &value->array)
		strv_add(out, item->string.text);
	return 0;
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOLEAN] = "a boolean",
		[TOML_DATETIME] = "a date and time",
		[TOML_LOCAL_DATETIME] = "a local date and time",
		[TOML_LOCAL_DATE] = "a date",
		[TOML_LOCAL_TIME] = "a time",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}
