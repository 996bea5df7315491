#include "oci/registry.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/userns.h"
#include "oci/image.h"
#include "oci/registry_blobs.h"
#include "oci/registry_session.h"

#include <errno.h>

#define MANIFEST_LIMIT (4 * 1024 * 1024)
#define ACCEPT_MANIFESTS                                                                           \
	MEDIA_MANIFEST ", " MEDIA_INDEX ", " MEDIA_DOCKER_MANIFEST ", " MEDIA_DOCKER_INDEX

void pull_result_release(struct pull_result *result)
{
	descriptor_release(&result->manifest);
	free(result->name);
	*result = (struct pull_result){0};
}

static void step(const struct pull_request *request, const char *text)
{
	if (request->events.step)
		request->events.step(text, request->events.data);
}

/* What the registry sent, against what was asked for; `digest` may be NULL for a tag. */
static int verify(const struct strbuf *text, const char *what, const char *digest, int64_t size,
                  struct error *err)
{
	char actual[SHA256_DIGEST_SIZE];

	sha256_digest_of(text->buf, text->len, actual);
	if (digest && !str_eq(digest, actual))
		return error_set(err, EBADMSG, "%s: digest mismatch: expected %s, got %s", what,
		                 digest, actual);
	if (size >= 0 && (int64_t)text->len != size)
		return error_set(err, EBADMSG, "%s: %zu bytes instead of %lld", what, text->len,
		                 (long long)size);
	return 0;
}

static int get_manifest(struct registry_session *session, const char *by, const char *digest,
                        int64_t size, struct strbuf *out, char **ret_type, struct error *err)
{
	cleanup_free char *path = xasprintf("manifests/%s", by);
	cleanup_free char *type = NULL;
	cleanup_json json_t *value = NULL;

	if (registry_session_get(session, path, ACCEPT_MANIFESTS, MANIFEST_LIMIT, out, &type, err) <
	            0 ||
	    verify(out, path, digest, size, err) < 0)
		return -1;
	value = json_parse(out->buf, out->len, err);
	if (!value)
		return error_wrap(err, "%s", path);
	/* The document itself knows better than a header that says "application/json". */
	*ret_type = xstrdup(json_get_str(value, "mediaType", type));
	return 0;
}

/* The manifest for this machine, its bytes and its descriptor. */
static int resolve(struct registry_session *session, struct strbuf *text, struct descriptor *ret,
                   struct error *err)
{
	const struct reference *ref = session->reference;
	cleanup(descriptor_release) struct descriptor chosen = {0};
	cleanup_free char *type = NULL;

	if (get_manifest(session, reference_manifest(ref), ref->digest, -1, text, &type, err) < 0)
		return -1;
	if (media_is_index(type)) {
		if (image_choose_platform(text->buf, text->len, &chosen, err) < 0)
			return -1;
		strbuf_reset(text);
		free(take_ptr(type));
		if (get_manifest(session, chosen.digest, chosen.digest, chosen.size, text, &type,
		                 err) < 0)
			return -1;
	}
	if (!media_is_manifest(type))
		return error_set(err, ERR_UNSUPPORTED, "\"%.100s\" is no kind of image we know",
		                 type);
	*ret = (struct descriptor){.media_type = take_ptr(type), .size = (int64_t)text->len};
	sha256_digest_of(text->buf, text->len, ret->digest);
	return 0;
}

static int get_config(struct registry_session *session, const struct pull_request *request,
                      struct image *image, struct error *err)
{
	const struct descriptor *desc = &image->config_desc;
	cleanup_free char *path = xasprintf("blobs/%s", desc->digest);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char digest[SHA256_DIGEST_SIZE];

	if (store_has_blob(request->store, desc->digest)) {
		if (store_read_blob(request->store, desc->digest, &text, err) < 0)
			return -1;
	} else if (registry_session_get(session, path, "*/*", (size_t)desc->size + 1, &text, NULL,
	                                err) < 0) {
		return -1;
	}
	if (verify(&text, "the image's config", desc->digest, desc->size, err) < 0 ||
	    image_parse_config(text.buf, text.len, image, err) < 0)
		return -1;
	return store_add_blob(request->store, text.buf, text.len, digest, err);
}

static int pull(struct registry_session *session, const struct pull_request *request,
                const struct userns_map *map, struct pull_result *ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf manifest = STRBUF_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	struct blob_stats stats = {0};
	char digest[SHA256_DIGEST_SIZE];

	step(request, "resolve");
	if (resolve(session, &manifest, &ret->manifest, err) < 0 ||
	    image_parse_manifest(manifest.buf, manifest.len, &image, err) < 0 ||
	    get_config(session, request, &image, err) < 0 ||
	    registry_blobs_get(session, request, map, &image, &stats, err) < 0 ||
	    store_add_blob(request->store, manifest.buf, manifest.len, digest, err) < 0)
		return -1;
	ret->bytes = stats.bytes;
	ret->layers = image.layers.len;
	ret->present = stats.present;
	return store_set_name(request->store, ret->name, &ret->manifest, err);
}

int registry_pull(const struct pull_request *request, struct pull_result *ret, struct error *err)
{
	cleanup(registry_session_release) struct registry_session session = {0};
	cleanup(pull_result_release) struct pull_result result = {
		.name = reference_text(request->reference)};
	struct userns_map map;

	if (userns_map_for_caller(&map, err) < 0 ||
	    registry_session_init(&session, request->reference, request->ca_file,
	                          request->auth_file, err) < 0 ||
	    pull(&session, request, &map, &result, err) < 0)
		return error_wrap(err, "pull %s", result.name);
	*ret = result;
	result = (struct pull_result){0};
	return 0;
}
