#include "cnb/builder_info.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/toml_write.h"

/* Best first. */
static const char *const platform_apis[] = {"0.13", "0.12"};

void builder_info_release(struct builder_info *info)
{
	json_decref(info->metadata);
}

static bool has_text(const json_t *list, const char *text)
{
	size_t i;
	json_t *item;

	json_array_foreach((json_t *)list, i, item) {
		if (json_is_string(item) && str_eq(json_string_value(item), text))
			return true;
	}
	return false;
}

static int choose_api(const json_t *metadata, const char *name, char ret[8], struct error *err)
{
	const json_t *lifecycle = json_object_get(metadata, "lifecycle");
	const json_t *apis = json_object_get(json_object_get(lifecycle, "apis"), "platform");

	for (size_t i = 0; i < ARRAY_LEN(platform_apis); i++)
		if (has_text(json_object_get(apis, "supported"), platform_apis[i])) {
			str_copy(ret, 8, platform_apis[i]);
			return 0;
		}
	error_set(err, ERR_UNSUPPORTED,
	          "the lifecycle of builder %s (%s) speaks neither Platform API 0.12 nor 0.13",
	          name, json_get_str(lifecycle, "version", "of unknown version"));
	return error_hint(err, "make a builder with `locald builder create`, or use a newer one");
}

int builder_info_read(const struct image *image, const char *name, struct builder_info *ret,
                      struct error *err)
{
	cleanup(builder_info_release) struct builder_info info = {0};
	const char *text = image_label(image, LABEL_BUILDER);
	const json_t *images;

	if (!text) {
		error_set(err, ERR_NOT_FOUND, "image %s is not a builder", name);
		return error_hint(err, "`locald builder list` shows the builders; "
		                       "`locald builder create` makes one");
	}
	info.metadata = json_parse(text, strlen(text), err);
	if (!info.metadata)
		return error_wrap(err, "builder %s: label %s", name, LABEL_BUILDER);
	if (choose_api(info.metadata, name, info.platform_api, err) < 0)
		return -1;
	images = json_object_get(info.metadata, "images");
	info.run_image = json_get_str(json_array_get(images, 0), "image", NULL);
	if (!info.run_image) {
		const json_t *stack = json_object_get(info.metadata, "stack");

		info.run_image = json_get_str(json_object_get(stack, "runImage"), "image", NULL);
	}
	info.description = json_get_str(info.metadata, "description", "");
	*ret = info;
	info = (struct builder_info){0};
	return 0;
}

const json_t *builder_info_buildpacks(const struct builder_info *info)
{
	return json_object_get(info->metadata, "buildpacks");
}

static const json_t *find(const struct builder_info *info, const char *id, const char *version)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach((json_t *)builder_info_buildpacks(info), i, buildpack) {
		if (str_eq(json_get_str(buildpack, "id", ""), id) &&
		    (!version || str_eq(json_get_str(buildpack, "version", ""), version)))
			return buildpack;
	}
	return NULL;
}

static int not_found(const struct builder_info *info, const char *text, struct error *err)
{
	cleanup(strbuf_release) struct strbuf have = STRBUF_INIT;
	size_t i;
	json_t *buildpack;

	json_array_foreach((json_t *)builder_info_buildpacks(info), i, buildpack) {
		strbuf_addf(&have, "%s%s@%s", i ? ", " : "", json_get_str(buildpack, "id", ""),
		            json_get_str(buildpack, "version", ""));
	}
	error_set(err, ERR_NOT_FOUND, "the builder has no buildpack %s", text);
	return error_hint(err, "it has %s", have.buf);
}

int builder_info_order(const struct builder_info *info, const struct strv *ids, struct strbuf *ret,
                       struct error *err)
{
	toml_put_table_array(ret, "order", NULL);
	for (size_t i = 0; i < ids->len; i++) {
		const char *at = strchr(ids->items[i], '@');
		cleanup_free char *id = at ? xstrndup(ids->items[i], (size_t)(at - ids->items[i]))
		                           : xstrdup(ids->items[i]);
		const json_t *buildpack = find(info, id, at ? at + 1 : NULL);

		if (!buildpack)
			return not_found(info, ids->items[i], err);
		toml_put_table_array(ret, "order", "group", NULL);
		toml_put_str(ret, "id", id);
		toml_put_str(ret, "version", json_get_str(buildpack, "version", ""));
	}
	return 0;
}
