#include "lifecycle/layout.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <ctype.h>

#define JSON_BLOB_MAX (8 * 1024 * 1024)
#define NAME_MAX_LEN  512

#define MEDIA_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"

void layout_image_release(struct layout_image *image)
{
	free(image->dir);
	json_decref(image->manifest);
	json_decref(image->config);
}

static bool is_registry(const char *part, size_t len)
{
	return memchr(part, '.', len) || memchr(part, ':', len) ||
	       (len == strlen("localhost") && strncmp(part, "localhost", len) == 0);
}

/* Nothing in it may lead out of the layout directory. */
static bool name_is_valid(const char *name)
{
	if (!*name || *name == '/' || strlen(name) > NAME_MAX_LEN || strstr(name, "//"))
		return false;
	for (const char *part = name; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (!isalnum((unsigned char)*part))
			return false;
	}
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_./:@", *c))
			return false;
	return true;
}

char *layout_path(const char *layout_dir, const char *name, struct error *err)
{
	size_t first = strcspn(name, "/");
	bool has_registry = name[first] && is_registry(name, first);
	const char *rest = has_registry ? name + first + 1 : name;
	const char *digest = strstr(rest, "@sha256:");
	size_t repo_len = digest ? (size_t)(digest - rest) : strcspn(rest, ":");
	const char *tag = rest[repo_len] == ':' ? rest + repo_len + 1 : "latest";
	cleanup_free char *registry =
		has_registry ? xstrndup(name, first) : xstrdup("index.docker.io");
	const char *library = has_registry || memchr(rest, '/', repo_len) ? "" : "library/";

	if (!name_is_valid(name)) {
		error_set(err, ERR_USAGE, "\"%s\" is not an image name", name);
		return NULL;
	}
	if (str_eq(registry, "docker.io")) {
		free(registry);
		registry = xstrdup("index.docker.io");
	}
	if (digest)
		return xasprintf("%s/%s/%s%.*s/sha256/%s", layout_dir, registry, library,
		                 (int)repo_len, rest, digest + strlen("@sha256:"));
	return xasprintf("%s/%s/%s%.*s/%s", layout_dir, registry, library, (int)repo_len, rest,
	                 tag);
}

char *layout_blob_path(const char *dir, const char *digest)
{
	const char *hex = str_starts(digest, "sha256:") ? digest + strlen("sha256:") : digest;

	return xasprintf("%s/blobs/sha256/%s", dir, hex);
}

static bool digest_is_valid(const char *digest)
{
	return str_starts(digest, "sha256:") && strlen(digest) == SHA256_DIGEST_SIZE - 1 &&
	       strspn(digest + 7, "0123456789abcdef") == 64;
}

/* The JSON blob a descriptor points to, checked against its digest. */
static int read_blob(const char *dir, const json_t *descriptor, json_t **ret, struct error *err)
{
	const char *digest = json_get_str(descriptor, "digest", "");
	char actual[SHA256_DIGEST_SIZE];
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = NULL;

	if (!digest_is_valid(digest))
		return error_set(err, ERR_FAILED, "%s: \"%s\" is not a sha256 digest", dir, digest);
	path = layout_blob_path(dir, digest);
	if (fs_read_file(path, JSON_BLOB_MAX, &text, err) < 0)
		return -1;
	sha256_digest_of(text.buf, text.len, actual);
	if (!str_eq(actual, digest))
		return error_set(err, ERR_FAILED, "%s has digest %s", path, actual);
	*ret = json_parse(text.buf, text.len, err);
	return *ret ? 0 : error_wrap(err, "%s", path);
}

int layout_open(const char *layout_dir, const char *name, struct layout_image *ret,
                struct error *err)
{
	cleanup_free char *dir = layout_path(layout_dir, name, err);

	return dir ? layout_open_dir(dir, ret, err) : -1;
}

int layout_open_reference(const char *reference, struct layout_image *ret, struct error *err)
{
	const char *at = strrchr(reference, '@');
	cleanup_free char *dir = at ? xstrndup(reference, (size_t)(at - reference)) : NULL;

	if (!dir || *dir != '/')
		return error_set(err, ERR_CONFIG, "\"%s\" is no reference to a layout", reference);
	if (layout_open_dir(dir, ret, err) < 0)
		return -1;
	return str_eq(ret->digest, at + 1)
	               ? 0
	               : error_set(err, ERR_FAILED, "%s has changed since it was analyzed", dir);
}

int layout_open_dir(const char *dir, struct layout_image *ret, struct error *err)
{
	cleanup(layout_image_release) struct layout_image image = {.dir = xstrdup(dir)};
	cleanup_free char *index_path = path_join(dir, "index.json");
	cleanup_json json_t *index = NULL;
	const json_t *manifests;

	if (!fs_exists(index_path))
		return error_set(err, ERR_NOT_FOUND, "no image in the layout at %s", dir);
	index = json_parse_file(index_path, JSON_BLOB_MAX, err);
	if (!index)
		return -1;
	manifests = json_object_get(index, "manifests");
	if (json_array_size(manifests) != 1)
		return error_set(err, ERR_FAILED, "%s must have one manifest, not %zu", index_path,
		                 json_array_size(manifests));
	if (read_blob(image.dir, json_array_get(manifests, 0), &image.manifest, err) < 0 ||
	    read_blob(image.dir, json_object_get(image.manifest, "config"), &image.config, err) < 0)
		return error_wrap(err, "image in %s", dir);
	str_copy(image.digest, sizeof(image.digest),
	         json_get_str(json_array_get(manifests, 0), "digest", ""));
	*ret = image;
	image = (struct layout_image){0};
	return 0;
}

const char *layout_label(const struct layout_image *image, const char *name)
{
	const json_t *config = json_object_get(image->config, "config");

	return json_get_str(json_object_get(config, "Labels"), name, NULL);
}

json_t *layout_layer(const struct layout_image *image, const char *diff_id)
{
	const json_t *ids = json_object_get(json_object_get(image->config, "rootfs"), "diff_ids");
	size_t i;
	json_t *id;

	json_array_foreach((json_t *)ids, i, id) {
		if (json_is_string(id) && str_eq(json_string_value(id), diff_id))
			return json_array_get(json_object_get(image->manifest, "layers"), i);
	}
	return NULL;
}

int layout_prepare(const char *dir, struct error *err)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	cleanup_free char *blobs = path_join(dir, "blobs/sha256");
	cleanup_free char *marker = path_join(dir, "oci-layout");

	if (fs_mkdirs(blobs, 0755, err) < 0)
		return -1;
	return fs_write_atomic(marker, version, strlen(version), 0644, err);
}

int layout_put_json(const char *dir, const json_t *value, char digest[SHA256_DIGEST_SIZE],
                    int64_t *ret_size, struct error *err)
{
	cleanup_free char *text = json_text(value);
	cleanup_free char *path = NULL;

	sha256_digest_of(text, strlen(text), digest);
	*ret_size = (int64_t)strlen(text);
	path = layout_blob_path(dir, digest);
	return fs_write_atomic(path, text, strlen(text), 0644, err);
}

int layout_put_index(const char *dir, const char *digest, int64_t size, const char *tag,
                     struct error *err)
{
	cleanup_free char *path = path_join(dir, "index.json");
	cleanup_free char *text = NULL;
	cleanup_json json_t *index = json_pack(
		"{s:i, s:s, s:[{s:s, s:s, s:I, s:{s:s}}]}", "schemaVersion", 2, "mediaType",
		"application/vnd.oci.image.index.v1+json", "manifests", "mediaType",
		MEDIA_TYPE_MANIFEST, "digest", digest, "size", (json_int_t)size, "annotations",
		"org.opencontainers.image.ref.name", tag);

	text = json_text(index);
	return fs_write_atomic(path, text, strlen(text), 0644, err);
}
