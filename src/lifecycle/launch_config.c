#include "lifecycle/launch_config.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/buildpack.h"
#include "lifecycle/toml_file.h"

#include <stdio.h>

void launch_config_init(struct launch_config *config)
{
	*config = (struct launch_config){json_array(), json_array(), json_array(), NULL};
}

void launch_config_release(struct launch_config *config)
{
	json_decref(config->processes);
	json_decref(config->labels);
	json_decref(config->slices);
	free(config->default_type);
}

static bool type_is_valid(const char *type)
{
	return *type && !strpbrk(type, "/><:|&\\") && !str_eq(type, ".") && !str_eq(type, "..");
}

/* Before API 0.9 a command is one string, perhaps for a shell; since then always a vector. */
static int command_of(const struct buildpack *bp, const json_t *process, json_t **ret,
                      bool *is_direct, struct error *err)
{
	const json_t *command = json_object_get(process, "command");

	if (bp->api_minor < 9) {
		if (!json_is_string(command))
			return error_set(err, ERR_CONFIG, "command is not a string");
		*is_direct = json_get_bool(process, "direct", false);
		*ret = json_pack("[O]", command);
		return 0;
	}
	if (json_object_get(process, "direct"))
		return error_set(err, ERR_CONFIG, "direct is gone since Buildpack API 0.9");
	if (!json_array_size(command) || !json_is_string(json_array_get(command, 0)))
		return error_set(err, ERR_CONFIG, "command is not an array of strings");
	*is_direct = true;
	*ret = json_incref((json_t *)command);
	return 0;
}

static void remove_process(struct launch_config *config, const char *type)
{
	size_t i;
	json_t *process;

	json_array_foreach(config->processes, i, process) {
		if (str_eq(json_get_str(process, "type", ""), type)) {
			json_array_remove(config->processes, i);
			return;
		}
	}
}

static int add_process(struct launch_config *config, const struct buildpack *bp,
                       const json_t *process, struct error *err)
{
	const json_t *args = json_object_get(process, "args");
	const char *workdir = json_get_str(process, "working-dir", NULL);
	const char *type;
	json_t *command = NULL, *entry;
	bool is_direct = true;

	if (json_need_str(process, "type", &type, err) < 0)
		return -1;
	if (!type_is_valid(type))
		return error_set(err, ERR_CONFIG, "process type \"%s\" is not valid", type);
	if (command_of(bp, process, &command, &is_direct, err) < 0)
		return error_wrap(err, "process %s", type);
	entry = json_object();
	json_set_str(entry, "type", type);
	json_object_set_new(entry, "command", command);
	if (args)
		json_object_set(entry, "args", (json_t *)args);
	else
		json_object_set_new(entry, "args", json_array());
	json_set_bool(entry, "direct", is_direct);
	json_set_str(entry, "buildpack-id", bp->id);
	if (workdir && bp->api_minor >= 8)
		json_set_str(entry, "working-dir", workdir);
	remove_process(config, type);
	json_array_append_new(config->processes, entry);
	if (json_get_bool(process, "default", false)) {
		free(config->default_type);
		config->default_type = xstrdup(type);
	} else if (str_eq_null(config->default_type, type)) {
		printf("Warning: %s redefines the default process %s and does not make it the "
		       "default\n",
		       bp->id, type);
		free(take_ptr(config->default_type));
	}
	return 0;
}

static int add_processes(struct launch_config *config, const struct buildpack *bp,
                         const json_t *processes, struct error *err)
{
	size_t i, defaults = 0;
	json_t *process;

	json_array_foreach((json_t *)processes, i, process) {
		defaults += json_get_bool(process, "default", false);
		if (defaults > 1)
			return error_set(err, ERR_CONFIG, "more than one default process");
		if (add_process(config, bp, process, err) < 0)
			return -1;
	}
	return 0;
}

int launch_config_add(struct launch_config *config, const struct buildpack *buildpack,
                      const char *buildpack_layers, struct error *err)
{
	cleanup_free char *file = path_join(buildpack_layers, "launch.toml");
	cleanup_json json_t *root = NULL;
	const json_t *labels, *slices;

	if (toml_file_read_optional(file, &root, err) < 0)
		return -1;
	labels = json_object_get(root, "labels");
	slices = json_object_get(root, "slices");
	if (add_processes(config, buildpack, json_object_get(root, "processes"), err) < 0)
		return error_wrap(err, "%s", file);
	if ((labels && !json_is_array(labels)) || (slices && !json_is_array(slices)))
		return error_set(err, ERR_CONFIG, "%s: labels and slices are arrays of tables",
		                 file);
	if (labels)
		json_array_extend(config->labels, (json_t *)labels);
	if (slices)
		json_array_extend(config->slices, (json_t *)slices);
	return 0;
}

/* Sorted by type, so that the same processes always give the same layer. */
static json_t *sorted_processes(const json_t *processes)
{
	cleanup(strv_release) struct strv types = STRV_INIT;
	json_t *sorted = json_array();
	size_t i;
	json_t *process;

	json_array_foreach((json_t *)processes, i, process) {
		strv_add(&types, json_get_str(process, "type", ""));
	}
	strv_sort(&types);
	for (size_t t = 0; t < types.len; t++)
		json_array_foreach((json_t *)processes, i, process) {
			if (str_eq(json_get_str(process, "type", ""), types.items[t]))
				json_array_append(sorted, process);
		}
	return sorted;
}

int launch_config_write(const struct launch_config *config, const char *layers,
                        const struct group *group, struct error *err)
{
	cleanup_free char *dir = path_join(layers, "config");
	cleanup_free char *file = path_join(dir, "metadata.toml");
	cleanup_json json_t *root = json_object();
	json_t *buildpacks = json_array();

	if (config->default_type)
		json_set_str(root, "buildpack-default-process-type", config->default_type);
	array_foreach(item, &group->items) {
		json_t *entry = json_object();

		json_set_str(entry, "id", item->id);
		json_set_str(entry, "version", item->version);
		json_set_str(entry, "api", item->api);
		if (item->homepage)
			json_set_str(entry, "homepage", item->homepage);
		json_array_append_new(buildpacks, entry);
	}
	json_object_set_new(root, "buildpacks", buildpacks);
	json_object_set_new(root, "processes", sorted_processes(config->processes));
	json_object_set(root, "labels", config->labels);
	json_object_set(root, "slices", config->slices);
	if (fs_mkdirs(dir, 0755, err) < 0)
		return -1;
	return toml_file_write(file, root, err);
}
