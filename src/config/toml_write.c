#include "config/toml_write.h"

#include "base/str.h"
#include "base/strbuf.h"
#include "config/toml.h"

#include <math.h>

/* The header that a tree is written below, part by part. */
struct header {
	const struct header *parent;
	const char *key;
	size_t len;
};

static void add_escaped(struct strbuf *out, const char *text, size_t len)
{
	static const char plain[] = "\b\t\n\f\r\"\\";
	static const char letter[] = "btnfr\"\\";

	strbuf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		const char *found = c ? strchr(plain, c) : NULL;

		if (found)
			strbuf_addf(out, "\\%c", letter[found - plain]);
		else if (c < 0x20 || c == 0x7f)
			strbuf_addf(out, "\\u%04X", c);
		else
			strbuf_addch(out, (char)c);
	}
	strbuf_addch(out, '"');
}

static void add_key(struct strbuf *out, const char *key, size_t len)
{
	bool is_bare = len > 0;

	for (size_t i = 0; i < len && is_bare; i++)
		is_bare = (key[i] >= 'a' && key[i] <= 'z') || (key[i] >= 'A' && key[i] <= 'Z') ||
		          (key[i] >= '0' && key[i] <= '9') || key[i] == '_' || key[i] == '-';
	if (is_bare)
		strbuf_add(out, key, len);
	else
		add_escaped(out, key, len);
}

static void add_float(struct strbuf *out, double number)
{
	char text[40];

	if (isnan(number) || isinf(number)) {
		strbuf_adds(out, isnan(number) ? "nan" : number < 0 ? "-inf" : "inf");
		return;
	}
	snprintf(text, sizeof(text), "%.17g", number);
	/* Another locale's decimal point is not TOML's. */
	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '.';
	strbuf_adds(out, text);
	if (!strpbrk(text, ".e"))
		strbuf_adds(out, ".0");
}

static void add_value(struct strbuf *out, const struct toml_value *value);

static void add_array(struct strbuf *out, const struct toml_value *value)
{
	const char *comma = "";

	strbuf_addch(out, '[');
	array_foreach(item, &value->array) {
		strbuf_adds(out, comma);
		add_value(out, item);
		comma = ", ";
	}
	strbuf_addch(out, ']');
}

static void add_inline_table(struct strbuf *out, const struct toml_table *table)
{
	const char *comma = " ";

	strbuf_addch(out, '{');
	array_foreach(entry, &table->entries) {
		strbuf_adds(out, comma);
		add_key(out, entry->key, entry->key_len);
		strbuf_adds(out, " = ");
		add_value(out, &entry->value);
		comma = ", ";
	}
	strbuf_adds(out, table->entries.len > 0 ? " }" : "}");
}

static void add_value(struct strbuf *out, const struct toml_value *value)
{
	char text[TOML_DATETIME_SIZE];

	switch (value->type) {
	case TOML_STRING:
		add_escaped(out, value->string.text, value->string.len);
		break;
	case TOML_INTEGER:
		strbuf_addf(out, "%lld", (long long)value->integer);
		break;
	case TOML_FLOAT:
		add_float(out, value->number);
		break;
	case TOML_BOOLEAN:
		strbuf_adds(out, value->boolean ? "true" : "false");
		break;
	case TOML_DATETIME:
	case TOML_LOCAL_DATETIME:
	case TOML_LOCAL_DATE:
	case TOML_LOCAL_TIME:
		toml_format_datetime(value, text);
		strbuf_adds(out, text);
		break;
	case TOML_ARRAY:
		add_array(out, value);
		break;
	case TOML_TABLE:
		add_inline_table(out, value->table);
		break;
	}
}

static void start_header(struct strbuf *out, const char *bracket)
{
	if (out->len > 0)
		strbuf_addch(out, '\n');
	strbuf_adds(out, bracket);
}

static void put_header(struct strbuf *out, bool is_array, const char *part, va_list rest)
{
	start_header(out, is_array ? "[[" : "[");
	for (const char *dot = ""; part; part = va_arg(rest, const char *), dot = ".") {
		strbuf_adds(out, dot);
		add_key(out, part, strlen(part));
	}
	strbuf_adds(out, is_array ? "]]\n" : "]\n");
}

void toml_put_table(struct strbuf *out, const char *part, ...)
{
	va_list rest;

	va_start(rest, part);
	put_header(out, false, part, rest);
	va_end(rest);
}

void toml_put_table_array(struct strbuf *out, const char *part, ...)
{
	va_list rest;

	va_start(rest, part);
	put_header(out, true, part, rest);
	va_end(rest);
}

static void put_key(struct strbuf *out, const char *key, size_t len)
{
	add_key(out, key, len);
	strbuf_adds(out, " = ");
}

void toml_put_str(struct strbuf *out, const char *key, const char *text)
{
	put_key(out, key, strlen(key));
	add_escaped(out, text, strlen(text));
	strbuf_addch(out, '\n');
}

void toml_put_int(struct strbuf *out, const char *key, int64_t value)
{
	put_key(out, key, strlen(key));
	strbuf_addf(out, "%lld\n", (long long)value);
}

void toml_put_bool(struct strbuf *out, const char *key, bool value)
{
	put_key(out, key, strlen(key));
	strbuf_adds(out, value ? "true\n" : "false\n");
}

void toml_put_strv(struct strbuf *out, const char *key, const struct strv *items)
{
	put_key(out, key, strlen(key));
	strbuf_addch(out, '[');
	for (size_t i = 0; i < items->len; i++) {
		strbuf_adds(out, i > 0 ? ", " : "");
		add_escaped(out, items->items[i], strlen(items->items[i]));
	}
	strbuf_adds(out, "]\n");
}

void toml_put_value(struct strbuf *out, const char *key, const struct toml_value *value)
{
	put_key(out, key, strlen(key));
	add_value(out, value);
	strbuf_addch(out, '\n');
}

static bool is_table_array(const struct toml_value *value)
{
	if (value->type != TOML_ARRAY || value->array.len == 0)
		return false;
	array_foreach(item, &value->array)
		if (item->type != TOML_TABLE)
			return false;
	return true;
}

static void add_header_name(struct strbuf *out, const struct header *header)
{
	if (header->parent) {
		add_header_name(out, header->parent);
		strbuf_addch(out, '.');
	}
	add_key(out, header->key, header->len);
}

static void put_tree(struct strbuf *out, const struct toml_table *table,
                     const struct header *parent)
{
	array_foreach(entry, &table->entries) {
		if (entry->value.type == TOML_TABLE || is_table_array(&entry->value))
			continue;
		put_key(out, entry->key, entry->key_len);
		add_value(out, &entry->value);
		strbuf_addch(out, '\n');
	}
	array_foreach(entry, &table->entries) {
		struct header header = {parent, entry->key, entry->key_len};

		if (entry->value.type == TOML_TABLE) {
			start_header(out, "[");
			add_header_name(out, &header);
			strbuf_adds(out, "]\n");
			put_tree(out, entry->value.table, &header);
		} else if (is_table_array(&entry->value)) {
			array_foreach(item, &entry->value.array) {
				start_header(out, "[[");
				add_header_name(out, &header);
				strbuf_adds(out, "]]\n");
				put_tree(out, item->table, &header);
			}
		}
	}
}

void toml_put_document(struct strbuf *out, const struct toml_table *root)
{
	put_tree(out, root, NULL);
}

/* Links the parts into headers on the stack of the recursion. */
static void put_below(struct strbuf *out, const struct toml_table *table,
                      const struct header *parent, const char *part, va_list rest)
{
	struct header header = {parent, part, part ? strlen(part) : 0};

	if (part) {
		put_below(out, table, &header, va_arg(rest, const char *), rest);
		return;
	}
	start_header(out, "[");
	add_header_name(out, parent);
	strbuf_adds(out, "]\n");
	put_tree(out, table, parent);
}

void toml_put_tree(struct strbuf *out, const struct toml_table *table, const char *part, ...)
{
	va_list rest;

	va_start(rest, part);
	put_below(out, table, NULL, part, rest);
	va_end(rest);
}
