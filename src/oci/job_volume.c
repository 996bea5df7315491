#include "oci/job_volume.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "oci/runtime_volumes.h"

static int run_list(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(volume_entries_release) struct volume_entries entries = {0};
	cleanup_json json_t *fields = json_object();
	json_t *list = json_array();
	const char *top;

	json_object_set_new(fields, "volumes", list);
	if (json_need_str(params, "volumes", &top, err) < 0 ||
	    runtime_volumes_list(top, &entries, err) < 0)
		return -1;
	array_foreach(entry, &entries.items) {
		json_t *object = json_object();
		char created[CLOCK_TEXT_SIZE];

		clock_format_utc(entry->created_ns, created);
		json_set_str(object, "project", entry->project);
		json_set_str(object, "name", entry->name);
		json_set_str(object, "path", entry->path);
		json_set_str(object, "created", created);
		json_array_append_new(list, object);
	}
	job_result(out, fields);
	return 0;
}

/* One part of a path, and nothing that begins with a dot. */
static bool is_part(const char *text)
{
	return *text && *text != '.' && !strchr(text, '/');
}

static int run_remove(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup_json json_t *fields = json_object();
	const char *top, *project, *name, *containers;
	cleanup_free char *path = NULL;

	if (json_need_str(params, "volumes", &top, err) < 0 ||
	    json_need_str(params, "project", &project, err) < 0 ||
	    json_need_str(params, "name", &name, err) < 0 ||
	    json_need_str(params, "containers", &containers, err) < 0)
		return -1;
	if (*top != '/' || !is_part(project) || !is_part(name))
		return error_set(err, ERR_USAGE, "`%s` of `%s` is no volume", name, project);
	path = xasprintf("%s/%s/%s", top, project, name);
	if (runtime_volumes_remove(path, containers, err) < 0)
		return -1;
	json_set_str(fields, "name", name);
	job_result(out, fields);
	return 0;
}

const struct job volume_jobs[VOLUME_JOB_COUNT] = {
	{"volume-list", run_list, "List the named volumes"},
	{"volume-remove", run_remove, "Remove a named volume and what is in it"},
};
