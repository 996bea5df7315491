#include "config/yaml_tree.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <strings.h>
#include <yaml.h>

#define NAMES_MAX 4096u /* keys of one map; anchors: they are searched one by one */

struct anchor {
	char *name;
	struct yaml_value *value; /* NULL while it is being read */
};

struct yaml_document {
	ARRAY(struct yaml_value *) values; /* every one, whoever refers to it */
	ARRAY(struct anchor) anchors;
	struct yaml_value *root;
};

/* One text on its way into a document. */
struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const char *text, *end;
	const char *line; /* of line_number: events come in the order of the text */
	size_t line_number;
	struct yaml_document *document;
	size_t weight;
	int depth;
	struct toml_pos *pos; /* where an error is */
	struct error *err;
};

static void value_free(struct yaml_value *value)
{
	array_foreach(entry, &value->map)
		free(entry->key);
	array_release(&value->map);
	array_release(&value->list);
	free(value->text);
	free(value);
}

void yaml_document_free(struct yaml_document *document)
{
	if (!document)
		return;
	array_foreach(value, &document->values)
		value_free(*value);
	array_foreach(anchor, &document->anchors)
		free(anchor->name);
	array_release(&document->values);
	array_release(&document->anchors);
	free(document);
}

/* --- positions --- */

static void seek_line(struct reader *reader, size_t number)
{
	if (number < reader->line_number) {
		reader->line = reader->text;
		reader->line_number = 0;
	}
	while (reader->line_number < number) {
		const char *newline =
			memchr(reader->line, '\n', (size_t)(reader->end - reader->line));

		if (!newline)
			return; /* YAML knows other line ends, too: the last line will do */
		reader->line = newline + 1;
		reader->line_number++;
	}
}

/* libyaml counts columns in characters. */
static struct toml_pos pos_of(struct reader *reader, yaml_mark_t start, yaml_mark_t end)
{
	struct toml_pos pos = {.line = (int)start.line + 1, .length = 1};
	const char *at;
	size_t left = start.column;

	seek_line(reader, start.line);
	at = reader->line;
	for (; left > 0 && at < reader->end && *at != '\n'; left--)
		do
			at++;
		while (at < reader->end && (*at & 0xc0) == 0x80);
	pos.column = (int)(at - reader->line) + 1;
	if (end.line == start.line && end.column > start.column)
		pos.length = (int)(end.column - start.column);
	return pos;
}

/* What is no text has no line for libyaml, only an offset. */
static struct toml_pos byte_pos(const struct reader *reader, size_t offset)
{
	struct toml_pos pos = {1, 1, 1};

	for (const char *at = reader->text; at < reader->end && offset > 0; at++, offset--) {
		pos.column = *at == '\n' ? 1 : pos.column + 1;
		pos.line += *at == '\n';
	}
	return pos;
}

static int fail(struct reader *reader, struct toml_pos pos, const char *fmt, ...) printf_like(3, 4);

static int fail(struct reader *reader, struct toml_pos pos, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	*reader->pos = pos;
	return error_set(reader->err, ERR_CONFIG, "%s", text);
}

static struct toml_pos event_pos(struct reader *reader)
{
	return pos_of(reader, reader->event.start_mark, reader->event.end_mark);
}

/* --- events --- */

static void drop_event(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
}

static int next_event(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;

	drop_event(reader);
	if (yaml_parser_parse(&reader->parser, &reader->event)) {
		reader->has_event = true;
		return 0;
	}
	if (parser->error == YAML_READER_ERROR)
		return fail(reader, byte_pos(reader, parser->problem_offset), "%s",
		            parser->problem);
	return fail(reader, pos_of(reader, parser->problem_mark, parser->problem_mark), "%s%s%s",
	            parser->context ? parser->context : "", parser->context ? ", " : "",
	            parser->problem ? parser->problem : "not YAML");
}

static struct yaml_value *add_value(struct reader *reader, enum yaml_type type)
{
	struct yaml_value *value = xcalloc(1, sizeof(*value));

	value->type = type;
	value->pos = event_pos(reader);
	value->weight = 1;
	*array_add(&reader->document->values) = value;
	return value;
}

/* Aliases count as if they were written out, so that nothing that walks the tree is fooled. */
static int add_weight(struct reader *reader, size_t weight, struct toml_pos pos)
{
	reader->weight += weight;
	if (reader->weight > YAML_MAX_VALUES)
		return fail(reader, pos, "more than %u values, with aliases written out",
		            YAML_MAX_VALUES);
	return 0;
}

static int check_tag(struct reader *reader, const yaml_char_t *tag)
{
	static const char *const known[] = {YAML_NULL_TAG, YAML_BOOL_TAG,  YAML_STR_TAG,
	                                    YAML_INT_TAG,  YAML_FLOAT_TAG, YAML_TIMESTAMP_TAG,
	                                    YAML_SEQ_TAG,  YAML_MAP_TAG,   "!"};

	if (!tag)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_eq((const char *)tag, known[i]))
			return 0;
	return fail(reader, event_pos(reader), "the tag %s is not supported", (const char *)tag);
}

/* *ret is the index of the anchor that a value gets, or -1. */
static int open_anchor(struct reader *reader, const yaml_char_t *name, ptrdiff_t *ret)
{
	struct anchor *anchor;

	*ret = -1;
	if (!name)
		return 0;
	if (reader->document->anchors.len >= NAMES_MAX)
		return fail(reader, event_pos(reader), "more than %u anchors", NAMES_MAX);
	anchor = array_add(&reader->document->anchors);
	anchor->name = xstrdup((const char *)name);
	*ret = (ptrdiff_t)reader->document->anchors.len - 1;
	return 0;
}

/* --- values --- */

static int read_value(struct reader *reader, struct yaml_value **ret);

static bool is_null(const yaml_event_t *event)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq((const char *)event->data.scalar.value, words[i]))
			return true;
	return false;
}

static int read_scalar(struct reader *reader, struct yaml_value **ret)
{
	const yaml_event_t *event = &reader->event;
	const char *text = (const char *)event->data.scalar.value;
	const yaml_char_t *tag = event->data.scalar.tag;
	struct yaml_value *value;

	if (check_tag(reader, tag) < 0)
		return -1;
	if (strlen(text) != event->data.scalar.length)
		return fail(reader, event_pos(reader), "a NUL character");
	value = add_value(reader, is_null(event) ? YAML_NULL : YAML_TEXT);
	value->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	                  (!tag || !str_eq((const char *)tag, YAML_STR_TAG));
	if (value->type == YAML_TEXT)
		value->text = xstrdup(text);
	*ret = value;
	return 0;
}

static int read_list(struct reader *reader, struct yaml_value *list)
{
	for (;;) {
		struct yaml_value *item;

		if (next_event(reader) < 0)
			return -1;
		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (read_value(reader, &item) < 0)
			return -1;
		*array_add(&list->list) = item;
		list->weight += item->weight;
	}
}

static int read_key(struct reader *reader, const struct yaml_value *map, char **ret)
{
	const yaml_event_t *event = &reader->event;
	const char *key = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT)
		return fail(reader, event_pos(reader), "a key that is no text");
	if (check_tag(reader, event->data.scalar.tag) < 0)
		return -1;
	if (strlen(key) != event->data.scalar.length)
		return fail(reader, event_pos(reader), "a NUL character");
	if (yaml_find(map, key))
		return fail(reader, event_pos(reader), "the key `%s` is there twice", key);
	if (map->map.len >= NAMES_MAX)
		return fail(reader, event_pos(reader), "more than %u keys", NAMES_MAX);
	*ret = xstrdup(key);
	return 0;
}

/* What is there already wins. */
static int merge_map(struct reader *reader, struct yaml_value *map, const struct yaml_value *from,
                     struct toml_pos pos)
{
	if (from->type != YAML_MAP)
		return fail(reader, pos, "`<<` takes a map, or a list of maps");
	array_foreach(entry, &from->map) {
		if (yaml_find(map, entry->key))
			continue;
		if (map->map.len >= NAMES_MAX)
			return fail(reader, pos, "more than %u keys", NAMES_MAX);
		if (add_weight(reader, entry->value->weight, pos) < 0)
			return -1;
		map->weight += entry->value->weight;
		*array_add(&map->map) =
			(struct yaml_entry){xstrdup(entry->key), entry->pos, entry->value, true};
	}
	return 0;
}

/* The first of a list wins, and the map's own keys over all, so they come last. */
static int merge(struct reader *reader, struct yaml_value *map)
{
	const struct yaml_entry *found = yaml_find(map, "<<");
	struct yaml_entry entry;

	if (!found)
		return 0;
	entry = *found;
	array_remove(&map->map, found);
	free(entry.key);
	map->weight -= entry.value->weight;
	if (entry.value->type != YAML_LIST)
		return merge_map(reader, map, entry.value, entry.pos);
	array_foreach(item, &entry.value->list)
		if (merge_map(reader, map, *item, entry.pos) < 0)
			return -1;
	return 0;
}

static int read_map(struct reader *reader, struct yaml_value *map)
{
	for (;;) {
		cleanup_free char *key = NULL;
		struct yaml_value *value;
		struct toml_pos pos;

		if (next_event(reader) < 0)
			return -1;
		if (reader->event.type == YAML_MAPPING_END_EVENT)
			return merge(reader, map);
		pos = event_pos(reader);
		if (read_key(reader, map, &key) < 0 || next_event(reader) < 0 ||
		    read_value(reader, &value) < 0)
			return -1;
		*array_add(&map->map) = (struct yaml_entry){take_ptr(key), pos, value, false};
		map->weight += value->weight;
	}
}

static int read_alias(struct reader *reader, struct yaml_value **ret)
{
	const char *name = (const char *)reader->event.data.alias.anchor;
	struct anchor *found = NULL;

	array_foreach(anchor, &reader->document->anchors)
		if (str_eq(anchor->name, name))
			found = anchor; /* the last one counts */
	if (!found)
		return fail(reader, event_pos(reader), "no anchor `&%s` before this", name);
	if (!found->value)
		return fail(reader, event_pos(reader), "`*%s` would be a part of itself", name);
	if (add_weight(reader, found->value->weight, event_pos(reader)) < 0)
		return -1;
	*ret = found->value;
	return 0;
}

static int read_collection(struct reader *reader, bool is_map, struct yaml_value *value)
{
	int r;

	if (++reader->depth > YAML_MAX_DEPTH)
		return fail(reader, value->pos, "more than %d levels", YAML_MAX_DEPTH);
	r = is_map ? read_map(reader, value) : read_list(reader, value);
	reader->depth--;
	return r;
}

/* The value that the current event begins. */
static int read_value(struct reader *reader, struct yaml_value **ret)
{
	const yaml_event_t *event = &reader->event;
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag, *name;
	struct yaml_value *value = NULL;
	ptrdiff_t anchor;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(reader, ret);
	if (add_weight(reader, 1, event_pos(reader)) < 0)
		return -1;
	if (event->type == YAML_SCALAR_EVENT) {
		if (open_anchor(reader, event->data.scalar.anchor, &anchor) < 0 ||
		    read_scalar(reader, &value) < 0)
			return -1;
	} else {
		tag = is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
		name = is_map ? event->data.mapping_start.anchor
		              : event->data.sequence_start.anchor;
		if (check_tag(reader, tag) < 0 || open_anchor(reader, name, &anchor) < 0)
			return -1;
		value = add_value(reader, is_map ? YAML_MAP : YAML_LIST);
		if (read_collection(reader, is_map, value) < 0)
			return -1;
	}
	if (anchor >= 0)
		reader->document->anchors.items[anchor].value = value;
	*ret = value;
	return 0;
}

static int read_document(struct reader *reader)
{
	bool is_read = false;

	for (;;) {
		if (next_event(reader) < 0)
			return -1;
		if (reader->event.type == YAML_STREAM_END_EVENT)
			break;
		if (reader->event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (is_read)
			return fail(reader, event_pos(reader), "more than one document");
		if (next_event(reader) < 0 || read_value(reader, &reader->document->root) < 0)
			return -1;
		is_read = true;
	}
	if (!is_read)
		reader->document->root = add_value(reader, YAML_NULL);
	return 0;
}

struct yaml_document *yaml_parse(const char *text, size_t len, struct toml_pos *ret_pos,
                                 struct error *err)
{
	cleanup_yaml struct yaml_document *document = xcalloc(1, sizeof(*document));
	struct reader reader = {
		.text = text,
		.end = text + len,
		.line = text,
		.document = document,
		.pos = ret_pos,
		.err = err,
	};
	int r;

	*ret_pos = (struct toml_pos){1, 1, 1};
	if (len > YAML_MAX_BYTES) {
		error_set(err, ERR_CONFIG, "larger than %u bytes", YAML_MAX_BYTES);
		return NULL;
	}
	if (!yaml_parser_initialize(&reader.parser)) {
		error_set(err, ENOMEM, "no memory for the YAML parser");
		return NULL;
	}
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	r = read_document(&reader);
	drop_event(&reader);
	yaml_parser_delete(&reader.parser);
	return r < 0 ? NULL : take_ptr(document);
}

/* --- getters --- */

const struct yaml_value *yaml_root(const struct yaml_document *document)
{
	return document->root;
}

const struct yaml_entry *yaml_find(const struct yaml_value *map, const char *key)
{
	if (!map || map->type != YAML_MAP)
		return NULL;
	array_foreach(entry, &map->map)
		if (str_eq(entry->key, key))
			return entry;
	return NULL;
}

const struct yaml_value *yaml_get(const struct yaml_value *map, const char *key)
{
	const struct yaml_entry *entry = yaml_find(map, key);

	return entry ? entry->value : NULL;
}

const char *yaml_text(const struct yaml_value *value)
{
	return value && value->type == YAML_TEXT ? value->text : NULL;
}

bool yaml_to_bool(const struct yaml_value *value, bool *ret)
{
	static const char *const words[] = {"false", "no", "off", "n", "true", "yes", "on", "y"};
	const char *text = yaml_text(value);

	for (size_t i = 0; text && i < ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i]) != 0)
			continue;
		*ret = i >= ARRAY_LEN(words) / 2;
		return true;
	}
	return false;
}

bool yaml_to_int(const struct yaml_value *value, int64_t min, int64_t max, int64_t *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	const char *text = yaml_text(value);

	return text && str_to_int(text, min, max, ret, &err) == 0;
}

const char *yaml_type_name(enum yaml_type type)
{
	static const char *const names[] = {"nothing", "a text", "a list", "a map"};

	return names[type];
}
