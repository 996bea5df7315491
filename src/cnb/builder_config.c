#include "cnb/builder_config.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#include <stdarg.h>

void builder_config_release(struct builder_config *config)
{
	free(config->file);
	free(config->description);
	free(config->build_image);
	free(config->run_image);
	strv_release(&config->build_env);
	array_foreach(buildpack, &config->buildpacks) {
		free(buildpack->dir);
		free(buildpack->id);
		free(buildpack->version);
	}
	array_release(&config->buildpacks);
	array_foreach(group, &config->order) {
		array_foreach(item, &group->items) {
			free(item->id);
			free(item->version);
		}
		array_release(&group->items);
	}
	array_release(&config->order);
}

int builder_config_error(const struct builder_config *config, struct toml_pos pos,
                         struct error *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	return error_set(err, ERR_CONFIG, "%s:%d:%d: %s", config->file, pos.line, pos.column, text);
}

/* Every key of the table is one of `keys` (NULL-terminated). */
static int check_keys(const struct builder_config *config, const struct toml_table *table,
                      const char *const *keys, struct error *err)
{
	size_t count = 0;

	while (keys[count])
		count++;
	array_foreach(entry, &table->entries) {
		const char *nearest;
		bool is_known = false;

		for (size_t i = 0; i < count; i++)
			is_known = is_known || str_eq(keys[i], entry->key);
		if (is_known)
			continue;
		builder_config_error(config, entry->pos, err, "unknown key `%s`", entry->key);
		nearest = str_nearest(entry->key, keys, count);
		return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
	}
	return 0;
}

/* A missing key leaves *ret; another type than string is an error. */
static int take_str(const struct builder_config *config, const struct toml_table *table,
                    const char *key, char **ret, struct toml_pos *ret_pos, struct error *err)
{
	const struct toml_value *value = toml_get(table, key);

	if (!value)
		return 0;
	if (!toml_is_c_string(value) || !value->string.len)
		return builder_config_error(
			config, value->pos, err, "%s: expected a text, got %s", key,
			value->type == TOML_STRING ? "an empty one" : toml_type_name(value->type));
	free(*ret);
	*ret = xstrdup(value->string.text);
	if (ret_pos)
		*ret_pos = value->pos;
	return 0;
}

typedef int table_fn(struct builder_config *config, const struct toml_table *table,
                     struct toml_pos pos, void *data, struct error *err);

/* Calls fn for each table of [[key]]. */
static int each_table(struct builder_config *config, const struct toml_table *parent,
                      const char *key, table_fn *fn, void *data, struct error *err)
{
	const struct toml_value *list = toml_get(parent, key);

	if (!list)
		return 0;
	if (list->type != TOML_ARRAY)
		return builder_config_error(config, list->pos, err,
		                            "%s: expected [[%s]] tables, got %s", key, key,
		                            toml_type_name(list->type));
	array_foreach(item, &list->array) {
		if (item->type != TOML_TABLE)
			return builder_config_error(config, item->pos, err,
			                            "%s: expected a table, got %s", key,
			                            toml_type_name(item->type));
		if (fn(config, item->table, item->pos, data, err) < 0)
			return -1;
	}
	return 0;
}

static int take_buildpack(struct builder_config *config, const struct toml_table *table,
                          struct toml_pos pos, unused_arg void *data, struct error *err)
{
	static const char *const keys[] = {"uri", "id", "version", "image", NULL};
	struct builder_buildpack *buildpack = array_add(&config->buildpacks);
	cleanup_free char *folder = path_dir(config->file);
	cleanup_free char *uri = NULL;
	const struct toml_entry *image = toml_find(table, "image");
	const char *path;

	buildpack->pos = pos;
	if (check_keys(config, table, keys, err) < 0 ||
	    take_str(config, table, "uri", &uri, &buildpack->pos, err) < 0 ||
	    take_str(config, table, "id", &buildpack->id, NULL, err) < 0 ||
	    take_str(config, table, "version", &buildpack->version, NULL, err) < 0)
		return -1;
	if (image)
		return builder_config_error(config, image->pos, err,
		                            "buildpack images are not supported yet");
	if (!uri)
		return builder_config_error(config, pos, err, "the buildpack has no uri");
	path = str_starts(uri, "file://") ? uri + strlen("file://") : uri;
	if (strstr(path, "://") || str_ends(path, ".tgz") || str_ends(path, ".cnb"))
		return builder_config_error(config, buildpack->pos, err,
		                            "uri \"%s\": only folders are supported yet", uri);
	buildpack->dir = path_absolute(folder, path);
	return 0;
}

static int take_order_item(struct builder_config *config, const struct toml_table *table,
                           struct toml_pos pos, void *data, struct error *err)
{
	static const char *const keys[] = {"id", "version", "optional", NULL};
	struct builder_order_group *group = data;
	struct builder_order_item *item = array_add(&group->items);
	const struct toml_value *optional = toml_get(table, "optional");

	item->pos = pos;
	if (check_keys(config, table, keys, err) < 0 ||
	    take_str(config, table, "id", &item->id, &item->pos, err) < 0 ||
	    take_str(config, table, "version", &item->version, NULL, err) < 0)
		return -1;
	if (!item->id)
		return builder_config_error(config, pos, err,
		                            "the buildpack of the group has no id");
	if (optional && optional->type != TOML_BOOLEAN)
		return builder_config_error(config, optional->pos, err,
		                            "optional: expected true or false, got %s",
		                            toml_type_name(optional->type));
	item->is_optional = toml_get_bool(table, "optional", false);
	return 0;
}

static int take_order(struct builder_config *config, const struct toml_table *table,
                      struct toml_pos pos, unused_arg void *data, struct error *err)
{
	static const char *const keys[] = {"group", NULL};
	struct builder_order_group *group = array_add(&config->order);

	if (check_keys(config, table, keys, err) < 0 ||
	    each_table(config, table, "group", take_order_item, group, err) < 0)
		return -1;
	if (!group->items.len)
		return builder_config_error(config, pos, err,
		                            "the [[order]] has no [[order.group]]");
	return 0;
}

static int take_env(struct builder_config *config, const struct toml_table *table,
                    struct toml_pos pos, unused_arg void *data, struct error *err)
{
	static const char *const keys[] = {"name", "value", NULL};
	cleanup_free char *name = NULL;
	cleanup_free char *value = NULL;

	if (check_keys(config, table, keys, err) < 0 ||
	    take_str(config, table, "name", &name, NULL, err) < 0 ||
	    take_str(config, table, "value", &value, NULL, err) < 0)
		return -1;
	if (!name || !value)
		return builder_config_error(config, pos, err, "[[build.env]] needs name and value");
	if (strpbrk(name, "=/."))
		return builder_config_error(config, pos, err,
		                            "\"%s\" is not the name of a variable", name);
	strv_env_set(&config->build_env, name, value);
	return 0;
}

/* The table of a key, NULL when it is missing; -1 when it is something else. */
static int section(const struct builder_config *config, const struct toml_table *root,
                   const char *key, const struct toml_table **ret, struct error *err)
{
	const struct toml_value *value = toml_get(root, key);

	*ret = NULL;
	if (value && value->type != TOML_TABLE)
		return builder_config_error(config, value->pos, err, "%s: expected a table, got %s",
		                            key, toml_type_name(value->type));
	*ret = value ? value->table : NULL;
	return 0;
}

static int take_run_image(struct builder_config *config, const struct toml_table *table,
                          struct toml_pos pos, unused_arg void *data, struct error *err)
{
	static const char *const keys[] = {"image", "mirrors", NULL};

	if (check_keys(config, table, keys, err) < 0)
		return -1;
	if (config->run_image)
		return builder_config_error(config, pos, err,
		                            "more than one run image is not supported yet");
	if (take_str(config, table, "image", &config->run_image, &config->run_pos, err) < 0)
		return -1;
	if (!config->run_image)
		return builder_config_error(config, pos, err, "the run image has no image");
	return 0;
}

static int take_images(struct builder_config *config, const struct toml_table *root,
                       struct error *err)
{
	static const char *const build_keys[] = {"image", "env", NULL};
	static const char *const run_keys[] = {"images", NULL};
	const struct toml_table *build, *run;

	if (section(config, root, "build", &build, err) < 0 ||
	    section(config, root, "run", &run, err) < 0)
		return -1;
	if (build &&
	    (check_keys(config, build, build_keys, err) < 0 ||
	     take_str(config, build, "image", &config->build_image, &config->build_pos, err) < 0 ||
	     each_table(config, build, "env", take_env, NULL, err) < 0))
		return -1;
	if (run && (check_keys(config, run, run_keys, err) < 0 ||
	            each_table(config, run, "images", take_run_image, NULL, err) < 0))
		return -1;
	return 0;
}

static int check_lifecycle(struct builder_config *config, const struct toml_table *root,
                           struct error *err)
{
	static const char *const keys[] = {"uri", "version", NULL};
	const struct toml_table *table;

	if (section(config, root, "lifecycle", &table, err) < 0)
		return -1;
	if (!table || check_keys(config, table, keys, err) < 0)
		return table ? -1 : 0;
	if (!table->entries.len)
		return 0;
	builder_config_error(config, table->entries.items[0].pos, err,
	                     "another lifecycle than locald's own is not supported yet");
	return error_hint(err, "leave [lifecycle] out");
}

static int check_complete(const struct builder_config *config, struct error *err)
{
	const struct toml_pos start = {1, 1, 0};

	if (!config->build_image) {
		builder_config_error(config, start, err, "the base image is missing");
		return error_hint(err, "name an image of the store: [build] image = \"NAME\"; "
		                       "`locald image import` makes one from a root file system");
	}
	if (!config->buildpacks.len)
		return builder_config_error(config, start, err, "there are no [[buildpacks]]");
	if (!config->order.len)
		return builder_config_error(config, start, err, "there is no [[order]]");
	return 0;
}

static int read_root(struct builder_config *config, const struct toml_table *root,
                     struct error *err)
{
	static const char *const keys[] = {"description", "buildpacks", "order",   "build",
	                                   "run",         "lifecycle",  "targets", NULL};
	static const char *const refused[] = {"extensions", "order-extensions", "stack", "system"};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct toml_entry *entry = toml_find(root, refused[i]);

		if (entry)
			return builder_config_error(config, entry->pos, err,
			                            "`%s` is not supported yet", refused[i]);
	}
	if (check_keys(config, root, keys, err) < 0 ||
	    take_str(config, root, "description", &config->description, NULL, err) < 0 ||
	    each_table(config, root, "buildpacks", take_buildpack, NULL, err) < 0 ||
	    each_table(config, root, "order", take_order, NULL, err) < 0 ||
	    take_images(config, root, err) < 0 || check_lifecycle(config, root, err) < 0 ||
	    check_complete(config, err) < 0)
		return -1;
	if (!config->run_image) {
		config->run_image = xstrdup(config->build_image);
		config->run_pos = config->build_pos;
	}
	return 0;
}

int builder_config_read(const char *path, struct builder_config *ret, struct error *err)
{
	cleanup(builder_config_release) struct builder_config config = {.file = xstrdup(path)};
	cleanup_toml struct toml_table *root = toml_parse_file(path, err);

	if (!root || read_root(&config, root, err) < 0)
		return -1;
	*ret = config;
	config = (struct builder_config){0};
	return 0;
}
