#include "oci/image.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <sys/utsname.h>

void image_release(struct image *image)
{
	descriptor_release(&image->manifest);
	descriptor_release(&image->config_desc);
	json_decref(image->config);
	array_foreach(layer, &image->layers)
		descriptor_release(layer);
	array_release(&image->layers);
	strv_release(&image->diff_ids);
	*image = (struct image)IMAGE_INIT;
}

bool media_is_index(const char *media_type)
{
	return str_eq(media_type, MEDIA_INDEX) || str_eq(media_type, MEDIA_DOCKER_INDEX);
}

bool media_is_manifest(const char *media_type)
{
	return str_eq(media_type, MEDIA_MANIFEST) || str_eq(media_type, MEDIA_DOCKER_MANIFEST);
}

const char *image_architecture(void)
{
	static const struct {
		const char *machine, *architecture;
	} names[] = {
		{"x86_64", "amd64"},    {"aarch64", "arm64"},   {"armv7l", "arm"},  {"i686", "386"},
		{"riscv64", "riscv64"}, {"ppc64le", "ppc64le"}, {"s390x", "s390x"},
	};
	struct utsname host;

	uname(&host);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(host.machine, names[i].machine))
			return names[i].architecture;
	return "amd64";
}

static int parse_descriptor(const json_t *value, const char *what, struct descriptor *ret,
                            struct error *err)
{
	const char *digest = json_get_str(value, "digest", NULL);
	int64_t size = json_get_int(value, "size", -1);

	if (!digest || size < 0)
		return error_set(err, EINVAL, "%s has no digest or no size", what);
	if (digest_check(digest, err) < 0)
		return error_wrap(err, "%s", what);
	*ret = (struct descriptor){
		.media_type = xstrdup(json_get_str(value, "mediaType", "")),
		.size = size,
	};
	str_copy(ret->digest, sizeof(ret->digest), digest);
	return 0;
}

static json_t *parse_object(const char *text, size_t len, const char *what, struct error *err)
{
	json_t *value = json_parse(text, len, err);

	if (!value) {
		error_wrap(err, "%s", what);
		return NULL;
	}
	if (json_is_object(value))
		return value;
	json_decref(value);
	error_set(err, EINVAL, "%s is not a JSON object", what);
	return NULL;
}

static int parse_layers(const json_t *layers, struct image *image, struct error *err)
{
	const json_t *value;
	size_t i;

	if (!json_is_array(layers) || json_array_size(layers) > IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "the manifest has no list of at most %d layers",
		                 IMAGE_LAYERS_MAX);
	json_array_foreach(layers, i, value) {
		struct descriptor layer;

		if (parse_descriptor(value, "a layer of the manifest", &layer, err) < 0)
			return -1;
		*array_add(&image->layers) = layer;
		if (strstr(layer.media_type, "encrypted"))
			return error_set(err, ERR_UNSUPPORTED,
			                 "encrypted layers are not supported yet");
	}
	return 0;
}

int image_parse_manifest(const char *text, size_t len, struct image *ret, struct error *err)
{
	cleanup_json json_t *manifest = parse_object(text, len, "the manifest", err);
	cleanup(image_release) struct image image = IMAGE_INIT;

	if (!manifest)
		return -1;
	if (json_get_int(manifest, "schemaVersion", 0) == 1)
		return error_set(err, ERR_UNSUPPORTED,
		                 "Docker schema 1 manifests are not supported");
	if (json_get_int(manifest, "schemaVersion", 0) != 2)
		return error_set(err, EINVAL, "the manifest's schemaVersion is not 2");
	if (parse_descriptor(json_object_get(manifest, "config"), "the manifest's config",
	                     &image.config_desc, err) < 0)
		return -1;
	if (image.config_desc.size > STORE_JSON_MAX)
		return error_set(err, EFBIG, "the image's config is larger than %d bytes",
		                 STORE_JSON_MAX);
	if (parse_layers(json_object_get(manifest, "layers"), &image, err) < 0)
		return -1;
	*ret = image;
	image = (struct image)IMAGE_INIT;
	return 0;
}

static int check_settings(const json_t *config, struct error *err)
{
	const json_t *settings = json_object_get(config, "config");
	static const char *const lists[] = {"Env", "Entrypoint", "Cmd"};

	if (!settings || json_is_null(settings))
		return 0;
	if (!json_is_object(settings))
		return error_set(err, EINVAL, "\"config\" is not an object");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		cleanup(strv_release) struct strv values = STRV_INIT;
		const json_t *list = json_object_get(settings, lists[i]);

		if (list && !json_is_null(list) && json_to_strv(list, lists[i], &values, err) < 0)
			return -1;
	}
	return 0;
}

int image_parse_config(const char *text, size_t len, struct image *image, struct error *err)
{
	cleanup_json json_t *config = parse_object(text, len, "the image's config", err);
	cleanup(strv_release) struct strv diff_ids = STRV_INIT;
	const json_t *ids;

	if (!config)
		return -1;
	ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	if (!ids) {
		error_set(err, ERR_UNSUPPORTED, "this is no container image: it has no rootfs");
		return error_hint(err, "artifacts such as charts and signatures cannot be run");
	}
	if (json_to_strv(ids, "diff_ids", &diff_ids, err) < 0 || check_settings(config, err) < 0)
		return error_wrap(err, "the image's config");
	if (diff_ids.len != image->layers.len)
		return error_set(err, EINVAL, "the image has %zu layers but %zu diff ids",
		                 image->layers.len, diff_ids.len);
	for (size_t i = 0; i < diff_ids.len; i++)
		if (digest_check(diff_ids.items[i], err) < 0)
			return error_wrap(err, "the image's config");
	json_decref(image->config);
	image->config = take_ptr(config);
	strv_release(&image->diff_ids);
	image->diff_ids = diff_ids;
	diff_ids = (struct strv)STRV_INIT;
	return 0;
}

static bool is_for_us(const json_t *entry)
{
	const json_t *platform = json_object_get(entry, "platform");

	return str_eq(json_get_str(platform, "os", ""), "linux") &&
	       str_eq(json_get_str(platform, "architecture", ""), image_architecture());
}

int image_choose_platform(const char *text, size_t len, struct descriptor *ret, struct error *err)
{
	cleanup_json json_t *index = parse_object(text, len, "the image index", err);
	cleanup(strbuf_release) struct strbuf seen = STRBUF_INIT_MAX(512);
	const json_t *manifests, *entry, *only = NULL;
	size_t i, count = 0;

	if (!index)
		return -1;
	manifests = json_object_get(index, "manifests");
	json_array_foreach(manifests, i, entry) {
		const json_t *platform = json_object_get(entry, "platform");

		if (media_is_index(json_get_str(entry, "mediaType", "")))
			continue;
		if (is_for_us(entry))
			return parse_descriptor(entry, "the image index", ret, err);
		if (!platform) {
			only = entry;
			count++;
		}
		strbuf_addf(&seen, "%s%s/%s", seen.len > 0 ? ", " : "",
		            json_get_str(platform, "os", "?"),
		            json_get_str(platform, "architecture", "?"));
	}
	/* An index that says nothing of platforms and has one image is that image. */
	if (count == 1 && json_array_size(manifests) == 1)
		return parse_descriptor(only, "the image index", ret, err);
	return error_set(err, ERR_NOT_FOUND, "the image is not made for linux/%s, only for %s",
	                 image_architecture(), seen.len > 0 ? seen.buf : "nothing");
}

int image_load_manifest(const struct store *store, const struct descriptor *manifest,
                        struct image *ret, struct error *err)
{
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf config = STRBUF_INIT;

	if (store_read_blob(store, manifest->digest, &text, err) < 0 ||
	    image_parse_manifest(text.buf, text.len, &image, err) < 0 ||
	    store_read_blob(store, image.config_desc.digest, &config, err) < 0 ||
	    image_parse_config(config.buf, config.len, &image, err) < 0)
		return -1;
	descriptor_copy(&image.manifest, manifest);
	*ret = image;
	image = (struct image)IMAGE_INIT;
	return 0;
}

int image_load(const struct store *store, const char *name, struct image *ret, struct error *err)
{
	cleanup(descriptor_release) struct descriptor manifest = {0};

	if (store_find(store, name, &manifest, NULL, err) < 0)
		return -1;
	if (image_load_manifest(store, &manifest, ret, err) < 0)
		return error_wrap(err, "image %s", name);
	return 0;
}
