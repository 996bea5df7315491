#include "shim/node.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>

static void add_path(struct strbuf *out, const struct node *node)
{
	if (node->up)
		add_path(out, node->up);
	if (!node->key && node->up)
		strbuf_addf(out, "[%zu]", node->index);
	else if (node->key)
		strbuf_addf(out, "%s%s", out->len > 0 ? "." : "", node->key);
}

int node_error(const struct node *node, struct error *err, const char *fmt, ...)
{
	cleanup(strbuf_release) struct strbuf path = STRBUF_INIT_MAX(1024);
	cleanup_free char *text = NULL;
	va_list args;

	add_path(&path, node);
	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	return error_set(err, ERR_CONFIG, "%s: %s", path.len > 0 ? path.buf : "config.json", text);
}

int node_unsupported(const struct node *node, const char *what, struct error *err)
{
	node_error(node, err, "%s is not supported yet", what);
	err->code = ERR_UNSUPPORTED;
	return -1;
}

struct node node_child(const struct node *object, const char *key)
{
	json_t *json = json_object_get(object->json, key);

	return (struct node){json_is_null(json) ? NULL : json, object, key, 0};
}

int node_object(const struct node *object, const char *key, struct node *ret, struct error *err)
{
	struct node node = node_child(object, key);

	if (node.json && !json_is_object(node.json))
		return node_error(&node, err, "must be an object");
	*ret = node;
	return 0;
}

int node_array(const struct node *object, const char *key, struct node *ret, struct error *err)
{
	struct node node = node_child(object, key);

	if (node.json && !json_is_array(node.json))
		return node_error(&node, err, "must be an array");
	if (json_array_size(node.json) > NODE_ITEMS_MAX)
		return node_error(&node, err, "has more than %d elements", NODE_ITEMS_MAX);
	*ret = node;
	return 0;
}

size_t node_len(const struct node *array)
{
	return json_array_size(array->json);
}

struct node node_item(const struct node *array, size_t index)
{
	json_t *json = json_array_get(array->json, index);

	return (struct node){json_is_null(json) ? NULL : json, array, NULL, index};
}

int node_need_object(const struct node *node, struct error *err)
{
	if (!json_is_object(node->json))
		return node_error(node, err, node->json ? "must be an object" : "is required");
	return 0;
}

int node_need(const struct node *object, const char *key, struct error *err)
{
	struct node node = node_child(object, key);

	return node.json ? 0 : node_error(&node, err, "is required");
}

int node_as_str(const struct node *node, const char **ret, struct error *err)
{
	if (!json_is_string(node->json))
		return node_error(node, err, node->json ? "must be a string" : "is required");
	*ret = json_string_value(node->json);
	return 0;
}

int node_as_int(const struct node *node, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
	json_int_t value;

	if (!json_is_integer(node->json))
		return node_error(node, err, node->json ? "must be an integer" : "is required");
	value = json_integer_value(node->json);
	if (value < min || value > max)
		return node_error(node, err, "must be between %lld and %lld, not %lld",
		                  (long long)min, (long long)max, (long long)value);
	*ret = value;
	return 0;
}

int node_str(const struct node *object, const char *key, const char **ret, struct error *err)
{
	struct node node = node_child(object, key);

	return node.json ? node_as_str(&node, ret, err) : 0;
}

int node_need_str(const struct node *object, const char *key, const char **ret, struct error *err)
{
	struct node node = node_child(object, key);

	return node_as_str(&node, ret, err);
}

int node_bool(const struct node *object, const char *key, bool *ret, struct error *err)
{
	struct node node = node_child(object, key);

	if (!node.json)
		return 0;
	if (!json_is_boolean(node.json))
		return node_error(&node, err, "must be true or false");
	*ret = json_is_true(node.json);
	return 0;
}

int node_int(const struct node *object, const char *key, int64_t min, int64_t max, int64_t *ret,
             struct error *err)
{
	struct node node = node_child(object, key);

	return node.json ? node_as_int(&node, min, max, ret, err) : 0;
}

int node_u32(const struct node *object, const char *key, uint32_t *ret, struct error *err)
{
	int64_t value = *ret;

	if (node_int(object, key, 0, UINT32_MAX, &value, err) < 0)
		return -1;
	*ret = (uint32_t)value;
	return 0;
}

int node_u64(const struct node *object, const char *key, uint64_t *ret, struct error *err)
{
	struct node node = node_child(object, key);
	const char *digits = json_string_value(node.json);
	int64_t value = 0;
	char *end;
	unsigned long long wide;

	if (!node.json)
		return 0;
	if (!digits) {
		if (node_as_int(&node, 0, INT64_MAX, &value, err) < 0)
			return -1;
		*ret = (uint64_t)value;
		return 0;
	}
	errno = 0;
	wide = strtoull(digits, &end, 10);
	if (errno || *end || wide <= INT64_MAX)
		return node_error(&node, err, "must be an integer from 0 to 2^64-1");
	*ret = wide;
	return 0;
}

int node_strv(const struct node *object, const char *key, struct strv *ret, struct error *err)
{
	struct node array;

	if (node_array(object, key, &array, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&array); i++) {
		struct node item = node_item(&array, i);
		const char *text = NULL;

		if (node_as_str(&item, &text, err) < 0)
			return -1;
		strv_add(ret, text);
	}
	return 0;
}
