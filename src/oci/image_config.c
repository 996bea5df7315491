#include "oci/image.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>

json_t *image_settings(struct image *image)
{
	json_t *settings = json_object_get(image->config, "config");

	if (!json_is_object(settings)) {
		settings = json_object();
		json_object_set_new(image->config, "config", settings);
	}
	return settings;
}

static const json_t *setting(const struct image *image, const char *key)
{
	return json_object_get(json_object_get(image->config, "config"), key);
}

static int get_list(const struct image *image, const char *key, struct strv *out, struct error *err)
{
	const json_t *list = setting(image, key);

	if (!list || json_is_null(list))
		return 0;
	if (json_to_strv(list, key, out, err) < 0)
		return error_wrap(err, "the image's config");
	return 0;
}

static const char *get_str(const struct image *image, const char *key)
{
	const char *text = json_string_value(setting(image, key));

	return text ? text : "";
}

int image_env(const struct image *image, struct strv *out, struct error *err)
{
	return get_list(image, "Env", out, err);
}

int image_entrypoint(const struct image *image, struct strv *out, struct error *err)
{
	return get_list(image, "Entrypoint", out, err);
}

int image_cmd(const struct image *image, struct strv *out, struct error *err)
{
	return get_list(image, "Cmd", out, err);
}

const char *image_user(const struct image *image)
{
	return get_str(image, "User");
}

const char *image_working_dir(const struct image *image)
{
	return get_str(image, "WorkingDir");
}

const char *image_label(const struct image *image, const char *name)
{
	return json_string_value(json_object_get(setting(image, "Labels"), name));
}

static void set_list(struct image *image, const char *key, const struct strv *list)
{
	if (list->len == 0)
		json_object_del(image_settings(image), key);
	else
		json_object_set_new(image_settings(image), key, json_from_strv(list));
}

void image_set_env(struct image *image, const struct strv *env)
{
	set_list(image, "Env", env);
}

void image_set_entrypoint(struct image *image, const struct strv *args)
{
	set_list(image, "Entrypoint", args);
}

void image_set_cmd(struct image *image, const struct strv *args)
{
	set_list(image, "Cmd", args);
}

void image_set_user(struct image *image, const char *user)
{
	json_set_str(image_settings(image), "User", user);
}

void image_set_working_dir(struct image *image, const char *dir)
{
	json_set_str(image_settings(image), "WorkingDir", dir);
}

void image_set_label(struct image *image, const char *name, const char *value)
{
	json_t *settings = image_settings(image);
	json_t *labels = json_object_get(settings, "Labels");

	if (!json_is_object(labels)) {
		labels = json_object();
		json_object_set_new(settings, "Labels", labels);
	}
	json_set_str(labels, name, value);
}

void image_set_created(struct image *image, const char *rfc3339)
{
	json_set_str(image->config, "created", rfc3339);
}

void image_init_empty(struct image *ret)
{
	*ret = (struct image)IMAGE_INIT;
	ret->config = json_object();
	json_set_str(ret->config, "architecture", image_architecture());
	json_set_str(ret->config, "os", "linux");
	json_object_set_new(ret->config, "config", json_object());
}

/* The history entries of the first `count` layers; entries without a layer stay with the one below.
 */
static json_t *history_of(const json_t *history, size_t count)
{
	json_t *kept = json_array();
	const json_t *entry;
	size_t i, layers = 0;

	json_array_foreach(history, i, entry) {
		if (!json_get_bool(entry, "empty_layer", false) && ++layers > count)
			break;
		json_array_append(kept, (json_t *)entry);
	}
	return kept;
}

void image_keep_layers(struct image *image, size_t count)
{
	const json_t *history = json_object_get(image->config, "history");

	while (image->layers.len > count)
		descriptor_release(&image->layers.items[--image->layers.len]);
	while (image->diff_ids.len > count) {
		char **last = &image->diff_ids.items[--image->diff_ids.len];

		free(*last);
		*last = NULL;
	}
	if (json_is_array(history))
		json_object_set_new(image->config, "history", history_of(history, count));
}

void image_add_layer(struct image *image, const struct descriptor *blob, const char *diff_id,
                     const char *created_by)
{
	json_t *history = json_object_get(image->config, "history");
	json_t *entry = json_object();

	if (!json_is_array(history)) {
		history = json_array();
		json_object_set_new(image->config, "history", history);
	}
	json_set_str(entry, "created_by", created_by);
	json_array_append_new(history, entry);
	descriptor_copy(array_add(&image->layers), blob);
	strv_add(&image->diff_ids, diff_id);
}

static json_t *descriptor_json(const struct descriptor *desc)
{
	json_t *value = json_object();

	json_set_str(value, "mediaType", desc->media_type);
	json_set_str(value, "digest", desc->digest);
	json_set_int(value, "size", desc->size);
	return value;
}

static json_t *manifest_json(const struct image *image)
{
	json_t *manifest = json_object();
	json_t *layers = json_array();

	json_set_int(manifest, "schemaVersion", 2);
	json_set_str(manifest, "mediaType", MEDIA_MANIFEST);
	json_object_set_new(manifest, "config", descriptor_json(&image->config_desc));
	array_foreach(layer, &image->layers)
		json_array_append_new(layers, descriptor_json(layer));
	json_object_set_new(manifest, "layers", layers);
	return manifest;
}

static int add_json(struct store *store, const json_t *value, const char *media_type,
                    struct descriptor *ret, struct error *err)
{
	cleanup_free char *text = json_text(value);
	struct descriptor desc = {.size = (int64_t)strlen(text)};

	if (store_add_blob(store, text, strlen(text), desc.digest, err) < 0)
		return -1;
	desc.media_type = xstrdup(media_type);
	descriptor_release(ret);
	*ret = desc;
	return 0;
}

/* The media types of Docker mean the same bytes; a manifest of ours speaks OCI throughout. */
static void use_oci_media_type(struct descriptor *layer)
{
	const char *type = layer->media_type;

	if (!str_starts(type, "application/vnd.docker."))
		return;
	type = str_ends(type, "gzip")   ? MEDIA_LAYER_GZIP
	       : str_ends(type, "zstd") ? MEDIA_LAYER_ZSTD
	                                : MEDIA_LAYER;
	free(layer->media_type);
	layer->media_type = xstrdup(type);
}

int image_commit(struct store *store, struct image *image, struct error *err)
{
	cleanup_json json_t *manifest = NULL;
	json_t *rootfs = json_object();

	json_set_str(rootfs, "type", "layers");
	json_object_set_new(rootfs, "diff_ids",
	                    image->diff_ids.len > 0 ? json_from_strv(&image->diff_ids)
	                                            : json_array());
	json_object_set_new(image->config, "rootfs", rootfs);
	for (size_t i = 0; i < image->layers.len; i++) {
		if (!store_has_blob(store, image->layers.items[i].digest) ||
		    !store_has_layer(store, image->diff_ids.items[i]))
			return error_set(err, ERR_NOT_FOUND, "layer %s is not in the store",
			                 image->diff_ids.items[i]);
		use_oci_media_type(&image->layers.items[i]);
	}
	if (add_json(store, image->config, MEDIA_CONFIG, &image->config_desc, err) < 0)
		return -1;
	manifest = manifest_json(image);
	return add_json(store, manifest, MEDIA_MANIFEST, &image->manifest, err);
}
