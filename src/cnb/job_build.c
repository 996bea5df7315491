#include "cnb/job_build.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cnb/build.h"
#include "cnb/builder_create.h"
#include "cnb/builder_info.h"
#include "cnb/events.h"
#include "cnb/process.h"
#include "oci/image.h"
#include "oci/image_defaults.h"
#include "oci/job_params.h"

static void on_progress(const char *phase, const char *text, void *data)
{
	job_progress(data, phase, "%s", text);
}

static void on_done(const char *phase, int64_t duration_ms, void *data)
{
	job_progress(data, phase, "done in %.2f s", (double)duration_ms / 1000);
}

static void on_log(const char *stream, const char *text, size_t len, void *data)
{
	job_log(data, stream, text, len);
}

static struct cnb_events events_to(struct job_output *out)
{
	return (struct cnb_events){on_progress, on_done, on_log, out};
}

/* ---- builder-create ---- */

static int run_builder_create(const json_t *params, struct job_output *out, struct error *err)
{
	const struct cnb_events events = events_to(out);
	cleanup(builder_result_release) struct builder_result result = {0};
	cleanup_json json_t *fields = json_object();
	struct builder_request request;

	if (json_need_str(params, "store", &request.store, err) < 0 ||
	    json_need_str(params, "config", &request.config, err) < 0 ||
	    json_need_str(params, "name", &request.name, err) < 0 ||
	    json_need_str(params, "lifecycle", &request.lifecycle, err) < 0 ||
	    json_need_str(params, "launcher", &request.launcher, err) < 0)
		return -1;
	if (builder_create(&request, &events, &result, err) < 0)
		return -1;
	json_set_str(fields, "name", request.name);
	json_set_str(fields, "digest", result.digest);
	json_set_int(fields, "buildpacks", (int64_t)result.buildpacks);
	job_result(out, fields);
	return 0;
}

/* ---- builder-list ---- */

static json_t *buildpack_names(const struct builder_info *info)
{
	json_t *list = json_array();
	size_t i;
	json_t *buildpack;

	json_array_foreach((json_t *)builder_info_buildpacks(info), i, buildpack) {
		json_t *entry = json_object();

		json_set_str(entry, "id", json_get_str(buildpack, "id", ""));
		json_set_str(entry, "version", json_get_str(buildpack, "version", ""));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *describe_builder(const struct store_image *item, const struct builder_info *info)
{
	json_t *entry = json_object();

	json_set_str(entry, "name", item->name);
	json_set_str(entry, "digest", item->manifest.digest);
	json_set_str(entry, "description", info->description);
	json_object_set_new(entry, "buildpacks", buildpack_names(info));
	json_set_str(entry, "run_image", info->run_image);
	return entry;
}

static int run_builder_list(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(store_images_release) struct store_images images = {0};
	cleanup_json json_t *fields = json_object();
	json_t *list = json_array();
	const char *path;

	json_object_set_new(fields, "builders", list);
	if (json_need_str(params, "store", &path, err) < 0 || store_open(path, &store, err) < 0 ||
	    store_list(&store, &images, err) < 0)
		return -1;
	array_foreach(item, &images.items) {
		cleanup(image_release) struct image image = IMAGE_INIT;
		cleanup(builder_info_release) struct builder_info info = {0};
		cleanup(error_release) struct error unusable = ERROR_INIT;

		if (image_load_manifest(&store, &item->manifest, &image, err) < 0)
			return error_wrap(err, "image %s", item->name);
		if (!image_label(&image, LABEL_BUILDER))
			continue;
		if (builder_info_read(&image, item->name, &info, &unusable) < 0)
			job_progress(out, "list", "%s", unusable.text);
		else
			json_array_append_new(list, describe_builder(item, &info));
	}
	job_result(out, fields);
	return 0;
}

/* ---- build ---- */

static int read_request(const json_t *params, struct build_request *ret, struct error *err)
{
	if (json_need_str(params, "store", &ret->store, err) < 0 ||
	    json_need_str(params, "cache", &ret->cache, err) < 0 ||
	    json_need_str(params, "shim", &ret->shim, err) < 0 ||
	    json_need_str(params, "builder", &ret->builder, err) < 0 ||
	    json_need_str(params, "source", &ret->source, err) < 0 ||
	    json_need_str(params, "image", &ret->image, err) < 0 ||
	    job_params_list(params, "buildpacks", &ret->buildpacks, err) < 0 ||
	    job_params_list(params, "exclude", &ret->exclude, err) < 0 ||
	    job_params_pairs(params, "env", &ret->env, err) < 0)
		return -1;
	ret->run_image = json_get_str(params, "run_image", NULL);
	ret->process = json_get_str(params, "process", NULL);
	ret->no_cache = json_get_bool(params, "no_cache", false);
	ret->force = json_get_bool(params, "force", false);
	ret->verbose = json_get_bool(params, "verbose", false);
	return 0;
}

static int add_image(const struct build_request *request, json_t *fields, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(cnb_processes_release) struct cnb_processes processes = {0};
	json_t *list = json_array();

	json_object_set_new(fields, "processes", list);
	if (store_open(request->store, &store, err) < 0 ||
	    image_load(&store, request->image, &image, err) < 0 ||
	    cnb_processes_read(image.config, &processes, err) < 0)
		return -1;
	json_object_set_new(fields, "defaults", image_defaults_new(&image));
	array_foreach(process, &processes.items) {
		json_t *entry = json_object();

		json_set_str(entry, "type", process->type);
		json_object_set_new(entry, "command", json_from_strv(&process->command));
		json_set_bool(entry, "default", process->is_default);
		json_array_append_new(list, entry);
	}
	return 0;
}

static int run_build(const json_t *params, struct job_output *out, struct error *err)
{
	const struct cnb_events events = events_to(out);
	cleanup(build_request_release) struct build_request request = {0};
	cleanup(build_result_release) struct build_result result = {0};
	cleanup_json json_t *fields = json_object();

	if (read_request(params, &request, err) < 0 ||
	    build_run(&request, &events, &result, err) < 0 || add_image(&request, fields, err) < 0)
		return -1;
	json_set_str(fields, "image", request.image);
	json_set_str(fields, "digest", result.digest);
	json_set_bool(fields, "hit", result.is_hit);
	json_set_str(fields, "reason", result.reason);
	json_set_int(fields, "duration_ms", result.duration_ms);
	job_result(out, fields);
	return 0;
}

const struct job cnb_jobs[CNB_JOB_COUNT] = {
	{"builder-create", run_builder_create, "make a builder image from a builder.toml"},
	{"builder-list", run_builder_list, "the builders of the store"},
	{"build", run_build, "build a source folder into an image"},
};
