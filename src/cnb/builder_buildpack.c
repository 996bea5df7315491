#include "cnb/builder_buildpack.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "config/toml_json.h"
#include "oci/tar_tree.h"

#include <errno.h>

#define API_MINOR_MIN 7
#define API_MINOR_MAX 12

void buildpack_folders_release(struct buildpack_folders *folders)
{
	array_foreach(folder, &folders->items) {
		free(folder->id);
		free(folder->version);
		free(folder->api);
		free(folder->name);
		free(folder->homepage);
		json_decref(folder->order);
		json_decref(folder->targets);
	}
	array_release(&folders->items);
}

/* An id or version is a part of a path. */
static bool is_safe(const char *text, bool with_slash)
{
	size_t allowed = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789-._+/");

	return *text && *text != '.' && *text != '/' && !text[allowed] && !strstr(text, "..") &&
	       (with_slash || !strchr(text, '/'));
}

static int check_api(const char *api, struct error *err)
{
	int64_t minor;

	if (str_starts(api, "0.") &&
	    str_to_int(api + 2, API_MINOR_MIN, API_MINOR_MAX, &minor, err) == 0)
		return 0;
	return error_set(err, ERR_CONFIG,
	                 "its Buildpack API \"%s\" is not supported (0.%d to 0.%d)", api,
	                 API_MINOR_MIN, API_MINOR_MAX);
}

static int check_program(const char *dir, const char *name, struct error *err)
{
	cleanup_free char *path = path_join(dir, name);

	if (access(path, X_OK) == 0)
		return 0;
	if (errno == ENOENT)
		return error_set(err, ERR_CONFIG, "it has no %s", name);
	error_set(err, ERR_CONFIG, "%s is not executable", path);
	return error_hint(err, "chmod +x %s", path);
}

static json_t *array_of(const struct toml_table *root, const char *key)
{
	const struct toml_value *value = toml_get_array(root, key);

	return value ? toml_value_to_json(value) : NULL;
}

static int fill_folder(const struct toml_table *root, struct buildpack_folder *folder,
                       struct error *err)
{
	const struct toml_table *about = toml_get_table(root, "buildpack");
	const char *api, *id, *version;

	if (toml_need_str(root, "api", &api, err) < 0)
		return -1;
	if (!about)
		return error_set(err, ERR_CONFIG, "it has no [buildpack]");
	if (toml_need_str(about, "id", &id, err) < 0 ||
	    toml_need_str(about, "version", &version, err) < 0)
		return -1;
	if (!is_safe(id, true) || !is_safe(version, false))
		return error_set(err, ERR_CONFIG, "its id \"%s\" or version \"%s\" is not valid",
		                 id, version);
	folder->id = xstrdup(id);
	folder->version = xstrdup(version);
	folder->api = xstrdup(api);
	folder->name = xstrdup_null(toml_get_str(about, "name", NULL));
	folder->homepage = xstrdup_null(toml_get_str(about, "homepage", NULL));
	folder->order = array_of(root, "order");
	folder->targets = array_of(root, "targets");
	if (check_api(api, err) < 0)
		return -1;
	if (!folder->order && (check_program(folder->dir, "bin/detect", err) < 0 ||
	                       check_program(folder->dir, "bin/build", err) < 0))
		return -1;
	return 0;
}

static int read_one(const struct builder_config *config, const struct builder_buildpack *wanted,
                    struct buildpack_folder *folder, struct error *err)
{
	cleanup_free char *file = path_join(wanted->dir, "buildpack.toml");
	cleanup_toml struct toml_table *root = NULL;

	folder->dir = wanted->dir;
	if (!fs_exists(file))
		return builder_config_error(config, wanted->pos, err,
		                            "no buildpack in %s: it has no buildpack.toml",
		                            wanted->dir);
	root = toml_parse_file(file, err);
	if (!root)
		return -1;
	if (fill_folder(root, folder, err) < 0)
		return error_wrap(err, "%s:%d:%d: buildpack %s", config->file, wanted->pos.line,
		                  wanted->pos.column, wanted->dir);
	if ((wanted->id && !str_eq(wanted->id, folder->id)) ||
	    (wanted->version && !str_eq(wanted->version, folder->version)))
		return builder_config_error(config, wanted->pos, err,
		                            "the buildpack in %s is %s@%s", wanted->dir, folder->id,
		                            folder->version);
	return 0;
}

const struct buildpack_folder *buildpack_folder_find(const struct buildpack_folders *folders,
                                                     const char *id, const char *version)
{
	array_foreach(folder, &folders->items)
		if (str_eq(folder->id, id) && (!version || str_eq(folder->version, version)))
			return folder;
	return NULL;
}

int buildpack_folders_read(const struct builder_config *config, struct buildpack_folders *ret,
                           struct error *err)
{
	array_foreach(wanted, &config->buildpacks) {
		struct buildpack_folder folder = {0};

		if (read_one(config, wanted, &folder, err) == 0) {
			if (!buildpack_folder_find(ret, folder.id, folder.version)) {
				*array_add(&ret->items) = folder;
				continue;
			}
			builder_config_error(config, wanted->pos, err,
			                     "buildpack %s@%s is there twice", folder.id,
			                     folder.version);
		}
		/* Released with the others. */
		*array_add(&ret->items) = folder;
		return -1;
	}
	return 0;
}

int buildpack_folder_fill(struct tar_writer *tar, void *data, struct error *err)
{
	const struct buildpack_folder *folder = data;
	const struct tar_tree_options options = {.order = TAR_TREE_WALK, .plain_modes = true};
	cleanup_free char *escaped = xstrdup(folder->id);
	cleanup_free char *parent = NULL;
	cleanup_free char *name = NULL;

	for (char *c = escaped; *c; c++)
		*c = *c == '/' ? '_' : *c;
	parent = xasprintf("/cnb/buildpacks/%s", escaped);
	name = path_join(parent, folder->version);
	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/buildpacks", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, parent, 0755, 0, 0, err) < 0)
		return -1;
	return tar_tree_add(tar, folder->dir, name, &options, err);
}
