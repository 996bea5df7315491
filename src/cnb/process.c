#include "cnb/process.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

#define LABEL_BUILD "io.buildpacks.build.metadata"

void cnb_processes_release(struct cnb_processes *processes)
{
	array_foreach(process, &processes->items) {
		free(process->type);
		strv_release(&process->command);
	}
	array_release(&processes->items);
}

/* Before Platform API 0.10 the command is one string. */
static int add_words(const json_t *value, const char *what, struct strv *ret, struct error *err)
{
	if (json_is_string(value)) {
		strv_add(ret, json_string_value(value));
		return 0;
	}
	return value && !json_is_null(value) ? json_to_strv(value, what, ret, err) : 0;
}

static int add_process(const json_t *entry, const char *default_type, struct cnb_process *process,
                       struct error *err)
{
	const char *type;

	if (json_need_str(entry, "type", &type, err) < 0)
		return -1;
	process->type = xstrdup(type);
	process->is_default = str_eq_null(default_type, type);
	if (add_words(json_object_get(entry, "command"), "command", &process->command, err) < 0)
		return -1;
	return add_words(json_object_get(entry, "args"), "args", &process->command, err);
}

int cnb_processes_read(const json_t *config, struct cnb_processes *ret, struct error *err)
{
	const json_t *settings = json_object_get(config, "config");
	const char *label = json_get_str(json_object_get(settings, "Labels"), LABEL_BUILD, NULL);
	const json_t *entry = json_array_get(json_object_get(settings, "Entrypoint"), 0);
	const char *entrypoint = json_is_string(entry) ? json_string_value(entry) : "";
	const char *default_type =
		str_starts(entrypoint, "/cnb/process/") ? path_base(entrypoint) : NULL;
	cleanup_json json_t *root = NULL;
	size_t i;
	json_t *process;

	if (!label)
		return error_set(err, ERR_NOT_FOUND, "the image was not built by buildpacks");
	root = json_parse(label, strlen(label), err);
	if (!root)
		return error_wrap(err, "label %s", LABEL_BUILD);
	json_array_foreach(json_object_get(root, "processes"), i, process) {
		if (add_process(process, default_type, array_add(&ret->items), err) < 0)
			return error_wrap(err, "label %s", LABEL_BUILD);
	}
	return 0;
}
