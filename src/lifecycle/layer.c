#include "lifecycle/layer.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/dirs.h"
#include "lifecycle/toml_file.h"

static const char *const not_layers[] = {"build.toml", "launch.toml", "store.toml"};

void layers_release(struct layers *layers)
{
	array_foreach(layer, &layers->items) {
		free(layer->name);
		free(layer->dir);
		json_decref(layer->metadata);
	}
	array_release(&layers->items);
}

bool layer_name_is_valid(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 200;
}

static int read_one(const char *buildpack_layers, const char *name, struct layer *layer,
                    struct error *err)
{
	static const char *const types[] = {"launch", "build", "cache"};
	cleanup_free char *file = xasprintf("%s/%s.toml", buildpack_layers, name);
	cleanup_json json_t *root = NULL;
	const json_t *section;

	if (toml_file_read(file, &root, err) < 0)
		return error_wrap(err, "layer %s", name);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (json_object_get(root, types[i]))
			return error_set(err, ERR_CONFIG, "%s: %s belongs into the table [types]",
			                 file, types[i]);
	section = json_object_get(root, "types");
	layer->name = xstrdup(name);
	layer->dir = path_join(buildpack_layers, name);
	layer->is_launch = json_get_bool(section, "launch", false);
	layer->is_build = json_get_bool(section, "build", false);
	layer->is_cache = json_get_bool(section, "cache", false);
	layer->has_dir = fs_is_dir(layer->dir);
	layer->metadata = json_incref(json_object_get(root, "metadata"));
	return 0;
}

static bool is_layer_file(const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(not_layers); i++)
		if (str_eq(file, not_layers[i]))
			return false;
	return str_ends(file, ".toml");
}

int layers_read(const char *buildpack_layers, struct layers *ret, struct error *err)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (dir_files(buildpack_layers, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++) {
		cleanup_free char *name = NULL;

		if (!is_layer_file(files.items[i]))
			continue;
		name = xstrndup(files.items[i], strlen(files.items[i]) - strlen(".toml"));
		if (read_one(buildpack_layers, name, array_add(&ret->items), err) < 0)
			return -1;
	}
	return 0;
}

int layer_write_metadata(const char *buildpack_layers, const char *name, const json_t *metadata,
                         struct error *err)
{
	cleanup_free char *file = xasprintf("%s/%s.toml", buildpack_layers, name);
	cleanup_json json_t *root = json_object();

	if (json_is_object(metadata))
		json_object_set(root, "metadata", (json_t *)metadata);
	if (fs_mkdirs(buildpack_layers, 0755, err) < 0)
		return -1;
	return toml_file_write(file, root, err);
}

int layer_remove(const char *buildpack_layers, const char *name, struct error *err)
{
	cleanup_free char *file = xasprintf("%s/%s.toml", buildpack_layers, name);
	cleanup_free char *dir = path_join(buildpack_layers, name);

	if (remove_path(file, err) < 0)
		return -1;
	return remove_path(dir, err);
}

json_t *layer_to_json(const struct layer *layer)
{
	json_t *object = json_object();

	if (layer->metadata)
		json_object_set(object, "data", layer->metadata);
	json_set_bool(object, "build", layer->is_build);
	json_set_bool(object, "launch", layer->is_launch);
	json_set_bool(object, "cache", layer->is_cache);
	return object;
}
