#include "lifecycle/export_image.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/platform.h"

#define MEDIA_TYPE_LAYER    "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_CONFIG   "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"

void export_image_release(struct export_image *image)
{
	free(image->dir);
	layout_image_release(&image->run);
	layout_image_release(&image->previous);
	json_decref(image->config);
	json_decref(image->layers);
}

/* The member of an object, made as the given empty value when it is missing.  Borrowed. */
static json_t *member(json_t *object, const char *key, json_t *empty)
{
	json_t *value = json_object_get(object, key);

	if (value && json_typeof(value) == json_typeof(empty)) {
		json_decref(empty);
		return value;
	}
	json_object_set_new(object, key, empty);
	return empty;
}

static json_t *diff_ids(struct export_image *image)
{
	return member(member(image->config, "rootfs", json_object()), "diff_ids", json_array());
}

json_t *export_image_settings(struct export_image *image)
{
	return member(image->config, "config", json_object());
}

/* History is all or nothing: an image whose run image has none would have a wrong one. */
static void check_history(struct export_image *image)
{
	json_t *history = member(image->config, "history", json_array());
	size_t i, layers = 0;
	json_t *step;

	json_array_foreach(history, i, step) {
		layers += !json_get_bool(step, "empty_layer", false);
	}
	if (layers == json_array_size(diff_ids(image)))
		return;
	json_array_clear(history);
	for (i = 0; i < json_array_size(diff_ids(image)); i++)
		json_array_append_new(history, json_object());
}

int export_image_open(struct export_image *image, const char *run, const char *previous,
                      const char *dir, struct error *err)
{
	const json_t *run_layers;

	if (layout_open_reference(run, &image->run, err) < 0)
		return error_wrap(err, "run image");
	if (!str_empty(previous) && layout_open_reference(previous, &image->previous, err) < 0)
		return error_wrap(err, "previous image");
	image->config = json_deep_copy(image->run.config);
	run_layers = json_object_get(image->run.manifest, "layers");
	image->layers = json_is_array(run_layers) ? json_deep_copy(run_layers) : json_array();
	if (json_array_size(image->layers) != json_array_size(diff_ids(image)))
		return error_set(err, ERR_FAILED,
		                 "run image %s: manifest and config have different layers", run);
	check_history(image);
	image->dir = xstrdup(dir);
	return layout_prepare(dir, err);
}

static void add_history(struct export_image *image, const char *created_by)
{
	json_t *step = json_object();

	json_set_str(step, "created", "1980-01-01T00:00:01Z");
	json_set_str(step, "created_by", created_by);
	json_array_append_new(member(image->config, "history", json_array()), step);
}

/* Takes the reference to the descriptor. */
static void add_layer(struct export_image *image, json_t *descriptor, const char *diff_id,
                      const char *created_by)
{
	json_array_append_new(image->layers, descriptor);
	json_array_append_new(diff_ids(image), json_string(diff_id));
	add_history(image, created_by);
}

int export_image_add(struct export_image *image, const char *known, const char *created_by,
                     image_layer_fn *fill, void *data, struct image_layer *ret, struct error *err)
{
	json_t *old = image->previous.config && !str_empty(known)
	                      ? layout_layer(&image->previous, known)
	                      : NULL;
	json_t *descriptor;

	if (image_layer_make(image->dir, old ? known : NULL, fill, data, ret, err) < 0)
		return error_wrap(err, "%s", created_by);
	if (ret->is_known) {
		add_layer(image, json_deep_copy(old), known, created_by);
		return 0;
	}
	descriptor = json_object();
	json_set_str(descriptor, "mediaType", MEDIA_TYPE_LAYER);
	json_set_str(descriptor, "digest", ret->digest);
	json_set_int(descriptor, "size", ret->size);
	add_layer(image, descriptor, ret->digest, created_by);
	return 0;
}

int export_image_reuse(struct export_image *image, const char *diff_id, const char *created_by,
                       struct error *err)
{
	json_t *old = image->previous.config ? layout_layer(&image->previous, diff_id) : NULL;

	if (!old)
		return error_set(err, ERR_FAILED,
		                 "cannot reuse layer %s: the previous image has none", diff_id);
	add_layer(image, json_deep_copy(old), diff_id, created_by);
	return 0;
}

void export_image_set_label(struct export_image *image, const char *name, const char *value)
{
	json_set_str(member(export_image_settings(image), "Labels", json_object()), name, value);
}

/* The index of NAME=… in Env, or its length. */
static size_t env_index(const json_t *env, const char *name)
{
	size_t i, len = strlen(name);
	json_t *entry;

	json_array_foreach((json_t *)env, i, entry) {
		const char *text = json_is_string(entry) ? json_string_value(entry) : "";

		if (strncmp(text, name, len) == 0 && text[len] == '=')
			return i;
	}
	return json_array_size(env);
}

void export_image_set_env(struct export_image *image, const char *name, const char *value)
{
	json_t *env = member(export_image_settings(image), "Env", json_array());
	size_t i = env_index(env, name);
	json_t *entry = json_sprintf("%s=%s", name, value);

	if (i < json_array_size(env))
		json_array_set_new(env, i, entry);
	else
		json_array_append_new(env, entry);
}

const char *export_image_env(struct export_image *image, const char *name)
{
	json_t *env = member(export_image_settings(image), "Env", json_array());
	json_t *entry = json_array_get(env, env_index(env, name));

	return entry ? json_string_value(entry) + strlen(name) + 1 : NULL;
}

int export_image_write(struct export_image *image, int64_t created, const char *tag,
                       struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	char config_digest[SHA256_DIGEST_SIZE];
	cleanup_json json_t *manifest = NULL;
	int64_t config_size;

	clock_format_utc(created * 1000000000, time);
	json_set_str(image->config, "created", time);
	if (layout_put_json(image->dir, image->config, config_digest, &config_size, err) < 0)
		return -1;
	manifest =
		json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:O}", "schemaVersion", 2, "mediaType",
	                  MEDIA_TYPE_MANIFEST, "config", "mediaType", MEDIA_TYPE_CONFIG, "digest",
	                  config_digest, "size", (json_int_t)config_size, "layers", image->layers);
	if (layout_put_json(image->dir, manifest, image->manifest_digest, &image->manifest_size,
	                    err) < 0)
		return -1;
	return layout_put_index(image->dir, image->manifest_digest, image->manifest_size, tag, err);
}
