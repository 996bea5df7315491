#include "lifecycle/cache.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/dirs.h"
#include "lifecycle/layout.h"

#include <errno.h>
#include <unistd.h>

#define METADATA_FILE "io.buildpacks.lifecycle.cache.metadata"
#define WORKSHOP      "workshop"
#define METADATA_MAX  (8 * 1024 * 1024)

void cache_release(struct cache *cache)
{
	free(cache->dir);
	json_decref(cache->metadata);
	json_decref(cache->next);
}

static char *in(const struct cache *cache, const char *generation, const char *file)
{
	return xasprintf("%s/%s%s%s", cache->dir, generation, file ? "/" : "", file ? file : "");
}

int cache_open(const char *dir, struct cache *ret, struct error *err)
{
	cleanup(error_release) struct error unreadable = ERROR_INIT;
	cleanup_free char *file = NULL;
	cleanup_free char *committed = NULL;
	cleanup_free char *backup = NULL;

	ret->dir = xstrdup(dir);
	committed = in(ret, "committed", NULL);
	backup = in(ret, "committed-backup", NULL);
	file = in(ret, "committed", METADATA_FILE);
	/* Killed between the two renames of a commit: the backup is the cache. */
	if (!fs_exists(committed) && fs_exists(backup) && rename(backup, committed) < 0)
		return error_errno(err, errno, "rename %s", backup);
	if (fs_mkdirs(committed, 0755, err) < 0)
		return -1;
	if (fs_exists(file))
		ret->metadata = json_parse_file(file, METADATA_MAX, &unreadable);
	if (!json_is_object(ret->metadata)) {
		json_decref(ret->metadata);
		ret->metadata = json_object();
	}
	return 0;
}

json_t *cache_layers(const json_t *metadata, const char *buildpack_id)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach(json_object_get(metadata, "buildpacks"), i, buildpack) {
		if (str_eq(json_get_str(buildpack, "key", ""), buildpack_id))
			return json_object_get(buildpack, "layers");
	}
	return NULL;
}

char *cache_tar(const struct cache *cache, const char *digest)
{
	return xasprintf("%s/committed/%s.tar", cache->dir, digest);
}

int cache_begin(struct cache *cache, struct error *err)
{
	cleanup_free char *staging = in(cache, "staging", NULL);

	if (remove_path(staging, err) < 0 || fs_mkdirs(staging, 0755, err) < 0)
		return -1;
	cache->next = json_object();
	json_object_set_new(cache->next, "buildpacks", json_array());
	return 0;
}

bool cache_has(const struct cache *cache, const char *digest)
{
	cleanup_free char *tar = cache_tar(cache, digest);

	return path_is_file(tar);
}

int cache_keep(const struct cache *cache, const char *digest, struct error *err)
{
	cleanup_free char *from = cache_tar(cache, digest);
	cleanup_free char *to = xasprintf("%s/staging/%s.tar", cache->dir, digest);

	if (link(from, to) < 0 && errno != EEXIST)
		return error_errno(err, errno, "link %s", from);
	return 0;
}

int cache_put(const struct cache *cache, const char *digest, const char *file, struct error *err)
{
	cleanup_free char *to = xasprintf("%s/staging/%s.tar", cache->dir, digest);

	return copy_file(file, to, err);
}

char *cache_workshop(const struct cache *cache, struct error *err)
{
	cleanup_free char *dir = in(cache, "staging", WORKSHOP);

	return layout_prepare(dir, err) < 0 ? NULL : take_ptr(dir);
}

int cache_take(const struct cache *cache, const char *digest, struct error *err)
{
	cleanup_free char *dir = in(cache, "staging", WORKSHOP);
	cleanup_free char *from = layout_blob_path(dir, digest);
	cleanup_free char *to = xasprintf("%s/staging/%s.tar", cache->dir, digest);

	return rename(from, to) < 0 ? error_errno(err, errno, "rename %s", from) : 0;
}

void cache_note(struct cache *cache, const char *buildpack_id, const char *version,
                const char *layer, json_t *entry)
{
	json_t *layers = cache_layers(cache->next, buildpack_id);

	if (!layers) {
		json_t *buildpack = json_object();

		layers = json_object();
		json_set_str(buildpack, "key", buildpack_id);
		json_set_str(buildpack, "version", version);
		json_object_set_new(buildpack, "layers", layers);
		json_array_append_new(json_object_get(cache->next, "buildpacks"), buildpack);
	}
	json_object_set_new(layers, layer, entry);
}

static int swap_generations(const struct cache *cache, struct error *err)
{
	cleanup_free char *committed = in(cache, "committed", NULL);
	cleanup_free char *staging = in(cache, "staging", NULL);
	cleanup_free char *backup = in(cache, "committed-backup", NULL);

	if (remove_path(backup, err) < 0)
		return -1;
	if (rename(committed, backup) < 0)
		return error_errno(err, errno, "rename %s", committed);
	if (rename(staging, committed) < 0)
		return error_errno(err, errno, "rename %s", staging);
	return remove_path(backup, err);
}

int cache_commit(struct cache *cache, struct error *err)
{
	cleanup_free char *staging = in(cache, "staging", NULL);
	cleanup_free char *workshop = in(cache, "staging", WORKSHOP);
	cleanup_free char *file = in(cache, "staging", METADATA_FILE);
	cleanup_free char *text = json_text(cache->next);

	if (remove_path(workshop, err) < 0)
		return -1;
	if (json_equal(cache->next, cache->metadata))
		return remove_path(staging, err);
	if (fs_write_atomic(file, text, strlen(text), 0644, err) < 0)
		return -1;
	return swap_generations(cache, err);
}
