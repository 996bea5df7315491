#include "lifecycle/group.h"

#include "base/error.h"
#include "base/mem.h"
#include "lifecycle/toml_file.h"

#include <errno.h>

#define GROUP_MAX 256 /* buildpacks of a group, and groups of an order */

void group_release(struct group *group)
{
	array_foreach(item, &group->items) {
		free(item->id);
		free(item->version);
		free(item->api);
		free(item->homepage);
	}
	array_release(&group->items);
}

void order_release(struct order *order)
{
	array_foreach(group, &order->groups)
		group_release(group);
	array_release(&order->groups);
}

void group_add(struct group *group, const struct group_item *item)
{
	*array_add(&group->items) = (struct group_item){
		.id = xstrdup(item->id),
		.version = xstrdup(item->version),
		.api = xstrdup_null(item->api),
		.homepage = xstrdup_null(item->homepage),
		.is_optional = item->is_optional,
	};
}

static int group_from_json(const json_t *list, struct group *ret, struct error *err)
{
	size_t i;
	json_t *element;

	if (!json_is_array(list) || json_array_size(list) > GROUP_MAX)
		return error_set(err, ERR_CONFIG, "group is not a list of at most %d buildpacks",
		                 GROUP_MAX);
	json_array_foreach((json_t *)list, i, element) {
		struct group_item item = {0};
		const char *id, *version;

		if (json_need_str(element, "id", &id, err) < 0 ||
		    json_need_str(element, "version", &version, err) < 0)
			return error_wrap(err, "group entry %zu", i + 1);
		item.id = (char *)id;
		item.version = (char *)version;
		item.api = (char *)json_get_str(element, "api", NULL);
		item.homepage = (char *)json_get_str(element, "homepage", NULL);
		item.is_optional = json_get_bool(element, "optional", false);
		group_add(ret, &item);
	}
	return 0;
}

int order_from_json(const json_t *order, struct order *ret, struct error *err)
{
	size_t i;
	json_t *element;

	if (!json_is_array(order) || json_array_size(order) > GROUP_MAX)
		return error_set(err, ERR_CONFIG, "order is not a list of at most %d groups",
		                 GROUP_MAX);
	json_array_foreach((json_t *)order, i, element) {
		struct group *group = array_add(&ret->groups);

		if (group_from_json(json_object_get(element, "group"), group, err) < 0)
			return -1;
	}
	return 0;
}

int group_read(const char *path, struct group *ret, struct error *err)
{
	cleanup_json json_t *root = NULL;

	if (toml_file_read(path, &root, err) < 0)
		return -1;
	if (json_array_size(json_object_get(root, "group-extensions")))
		return error_set(err, ERR_UNSUPPORTED, "%s: image extensions are not supported yet",
		                 path);
	if (group_from_json(json_object_get(root, "group"), ret, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

int group_write(const char *path, const struct group *group, struct error *err)
{
	cleanup_json json_t *root = json_object();
	json_t *list = json_array();

	json_object_set_new(root, "group", list);
	array_foreach(item, &group->items) {
		json_t *element = json_object();

		json_set_str(element, "id", item->id);
		json_set_str(element, "version", item->version);
		json_set_str(element, "api", item->api);
		if (item->homepage)
			json_set_str(element, "homepage", item->homepage);
		json_array_append_new(list, element);
	}
	return toml_file_write(path, root, err);
}
