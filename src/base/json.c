#include "base/json.h"

#include "base/base64.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

json_t *json_parse(const char *text, size_t len, struct error *err)
{
	json_error_t at;
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);

	if (!value)
		error_set(err, ERR_CONFIG, "line %d, column %d: %s", at.line, at.column, at.text);
	return value;
}

json_t *json_parse_file(const char *path, size_t max, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	json_t *value;

	if (fs_read_file(path, max, &text, err) < 0)
		return NULL;
	value = json_parse(text.buf, text.len, err);
	if (!value)
		error_wrap(err, "%s", path);
	return value;
}

char *json_text(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		abort(); /* out of memory: our values are valid by construction */
	return text;
}

const char *json_get_str(const json_t *object, const char *key, const char *def)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : def;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t def)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : def;
}

bool json_get_bool(const json_t *object, const char *key, bool def)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : def;
}

int json_need_str(const json_t *object, const char *key, const char **ret, struct error *err)
{
	const char *text = json_get_str(object, key, NULL);

	if (!text)
		return error_set(err, ERR_USAGE, "\"%s\" is missing or not a string", key);
	*ret = text;
	return 0;
}

static void set_new(json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value) < 0)
		abort(); /* out of memory, or text that is not UTF-8: callers check input */
}

/* JSON is UTF-8: a byte that is not part of a character becomes U+FFFD. */
static json_t *string_of_bytes(const char *text)
{
	cleanup(strbuf_release) struct strbuf clean = STRBUF_INIT;
	json_t *value = json_string(text);

	if (value)
		return value;
	while (*text) {
		size_t len = 1;

		/* The longest run of 1 to 4 bytes that jansson takes as one character. */
		for (; len <= 4; len++) {
			value = json_stringn(text, strnlen(text, len));
			if (value)
				break;
		}
		if (value)
			strbuf_add(&clean, text, len);
		else
			strbuf_adds(&clean, "\xef\xbf\xbd");
		json_decref(value);
		text += value ? len : 1;
	}
	return json_string(clean.buf);
}

void json_set_str(json_t *object, const char *key, const char *text)
{
	set_new(object, key, text ? string_of_bytes(text) : json_null());
}

void json_set_int(json_t *object, const char *key, int64_t value)
{
	set_new(object, key, json_integer(value));
}

void json_set_bool(json_t *object, const char *key, bool value)
{
	set_new(object, key, json_boolean(value));
}

int json_to_strv(const json_t *array, const char *what, struct strv *out, struct error *err)
{
	size_t i;
	json_t *item;

	if (!array || json_is_null(array))
		return 0;
	if (!json_is_array(array))
		return error_set(err, ERR_USAGE, "\"%s\" is not an array", what);
	json_array_foreach(array, i, item) {
		const char *encoded = json_get_str(item, "base64", NULL);
		cleanup(strbuf_release) struct strbuf bytes = STRBUF_INIT;

		if (json_is_string(item))
			strbuf_add(&bytes, json_string_value(item), json_string_length(item));
		else if (!encoded)
			return error_set(err, ERR_USAGE, "\"%s\" has a value that is not a string",
			                 what);
		else if (base64_decode(encoded, &bytes, err) < 0)
			return error_wrap(err, "\"%s\"", what);
		if (strlen(bytes.buf) != bytes.len)
			return error_set(err, ERR_USAGE, "\"%s\" has a NUL character", what);
		strv_add(out, bytes.buf);
	}
	return 0;
}

json_t *json_from_raw_strv(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->len; i++) {
		cleanup(strbuf_release) struct strbuf encoded = STRBUF_INIT;
		json_t *item = json_string(v->items[i]);

		if (!item) {
			base64_encode(v->items[i], strlen(v->items[i]), &encoded);
			item = json_object();
			json_set_str(item, "base64", encoded.buf);
		}
		json_array_append_new(array, item);
	}
	return array;
}

json_t *json_from_strv(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->len; i++)
		json_array_append_new(array, string_of_bytes(v->items[i]));
	return array;
}
