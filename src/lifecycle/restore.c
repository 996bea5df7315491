#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "lifecycle/buildpack.h"
#include "lifecycle/cache.h"
#include "lifecycle/dirs.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/group.h"
#include "lifecycle/layer.h"
#include "lifecycle/phases.h"
#include "lifecycle/platform.h"
#include "lifecycle/toml_file.h"
#include "lifecycle/untar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct restorer {
	const struct platform *platform;
	json_t *app; /* the previous image's label */
	struct cache cache;
	bool has_cache;
};

static void restorer_release(struct restorer *restorer)
{
	json_decref(restorer->app);
	cache_release(&restorer->cache);
}

static const json_t *app_buildpack(const struct restorer *restorer, const char *id)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach(json_object_get(restorer->app, "buildpacks"), i, buildpack) {
		if (str_eq(json_get_str(buildpack, "key", ""), id))
			return buildpack;
	}
	return NULL;
}

static int restore_store(const json_t *buildpack, const char *dir, struct error *err)
{
	const json_t *store = json_object_get(buildpack, "store");
	cleanup_free char *file = path_join(dir, "store.toml");

	if (!json_object_size(json_object_get(store, "metadata")))
		return 0;
	if (fs_mkdirs(dir, 0755, err) < 0)
		return -1;
	return toml_file_write(file, store, err);
}

/* A name or digest in a cache or label that leads elsewhere is not restored. */
static bool is_sane(const char *name, const json_t *layer)
{
	return layer_name_is_valid(name) && json_is_object(layer);
}

/* What the previous image has: the metadata of its layers, so that a buildpack may keep them. */
static int restore_from_app(const struct restorer *restorer, const json_t *layers,
                            const json_t *cached, const char *dir, struct error *err)
{
	const char *name;
	json_t *layer;

	json_object_foreach((json_t *)layers, name, layer) {
		bool is_cache = json_get_bool(layer, "cache", false);

		if (!is_sane(name, layer) || !json_get_bool(layer, "launch", false))
			continue;
		if (json_get_bool(layer, "build", false) && !is_cache)
			continue;
		if (is_cache && !json_object_get(cached, name))
			continue;
		if (layer_write_metadata(dir, name, json_object_get(layer, "data"), err) < 0)
			return -1;
	}
	return 0;
}

static int verify_tar(const char *tar, const char *sha, struct error *err)
{
	char digest[SHA256_DIGEST_SIZE];
	cleanup_close int fd = open(tar, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "open %s", tar);
	if (sha256_digest_fd(fd, digest, err) < 0)
		return -1;
	return str_eq(digest, sha) ? 0 : error_set(err, EBADMSG, "its digest is %s", digest);
}

/* The files of a cached layer; a damaged tar costs the layer, not the build. */
static int restore_files(const struct restorer *restorer, const char *id, const char *name,
                         const char *sha, const char *dir, struct error *err)
{
	cleanup(error_release) struct error damage = ERROR_INIT;
	cleanup_free char *tar = cache_tar(&restorer->cache, sha);
	cleanup_free char *layer = path_join(dir, name);

	if (verify_tar(tar, sha, &damage) == 0 && untar_layer(tar, layer, &damage) == 0) {
		printf("Restoring data for \"%s:%s\" from cache\n", id, name);
		return 0;
	}
	printf("Warning: cached layer %s:%s is not used: %s\n", id, name, damage.text);
	return layer_remove(dir, name, err);
}

static int restore_from_cache(const struct restorer *restorer, const char *id, const json_t *app,
                              const json_t *cached, const char *dir, struct error *err)
{
	const char *name;
	json_t *layer;

	json_object_foreach((json_t *)cached, name, layer) {
		const json_t *in_app = json_object_get(app, name);
		const char *sha = json_get_str(layer, "sha", "");
		bool is_launch = json_get_bool(layer, "launch", false);

		if (!is_sane(name, layer) || !json_get_bool(layer, "cache", false) ||
		    strchr(sha, '/'))
			continue;
		/* A launch layer is the previous image's or nothing (Platform API < 0.14). */
		if (is_launch && !str_eq(json_get_str(in_app, "sha", ""), sha)) {
			if (layer_remove(dir, name, err) < 0)
				return -1;
			continue;
		}
		if (!is_launch &&
		    layer_write_metadata(dir, name, json_object_get(layer, "data"), err) < 0)
			return -1;
		if (restore_files(restorer, id, name, sha, dir, err) < 0)
			return -1;
	}
	return 0;
}

static int restore_buildpack(const struct restorer *restorer, const struct group_item *item,
                             struct error *err)
{
	cleanup_free char *escaped = escaped_id(item->id);
	cleanup_free char *dir = path_join(restorer->platform->layers, escaped);
	const json_t *buildpack = app_buildpack(restorer, item->id);
	const json_t *layers = json_object_get(buildpack, "layers");
	const json_t *cached =
		restorer->has_cache ? cache_layers(restorer->cache.metadata, item->id) : NULL;

	if (restore_store(buildpack, dir, err) < 0)
		return -1;
	if (restorer->platform->skips_layers)
		return 0;
	if (cached && fs_mkdirs(dir, 0755, err) < 0)
		return -1;
	if (restore_from_app(restorer, layers, cached, dir, err) < 0)
		return -1;
	return restore_from_cache(restorer, item->id, layers, cached, dir, err);
}

int phase_restore(const struct platform *platform, struct error *err)
{
	cleanup(restorer_release) struct restorer restorer = {.platform = platform};
	cleanup(group_release) struct group group = {0};
	cleanup_json json_t *analyzed = NULL;

	if (group_read(platform->group, &group, err) < 0 ||
	    toml_file_read_optional(platform->analyzed, &analyzed, err) < 0)
		return -1;
	restorer.app = json_incref(json_object_get(analyzed, "metadata"));
	if (platform->cache_dir) {
		if (cache_open(platform->cache_dir, &restorer.cache, err) < 0)
			return -1;
		restorer.has_cache = true;
	}
	array_foreach(item, &group.items)
		if (restore_buildpack(&restorer, item, err) < 0)
			return error_wrap(err, "buildpack %s", item->id);
	return 0;
}
