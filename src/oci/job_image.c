#include "oci/job_image.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "oci/container_dir.h"
#include "oci/image.h"
#include "oci/image_defaults.h"
#include "oci/import.h"
#include "oci/job_params.h"
#include "oci/registry.h"
#include "oci/runtime_idmap.h"
#include "oci/runtime_limits.h"
#include "oci/runtime_volumes.h"

static int open_store(const json_t *params, struct store *ret, struct error *err)
{
	const char *path;

	if (json_need_str(params, "store", &path, err) < 0)
		return -1;
	return store_open(path, ret, err);
}

static void show_unpack(int64_t bytes, int64_t entries, void *data)
{
	job_progress(data, "unpack", "%lld MiB, %lld files", (long long)(bytes >> 20),
	             (long long)entries);
}

static void show_note(const char *text, void *data)
{
	job_log(data, "err", text, strlen(text));
}

static struct unpack_events unpack_events(struct job_output *out)
{
	return (struct unpack_events){.progress = show_unpack, .note = show_note, .data = out};
}

/* ---- image-import ---- */

static void import_request_release(struct import_request *request)
{
	strv_release(&request->env);
	strv_release(&request->entrypoint);
	strv_release(&request->cmd);
	strv_release(&request->labels);
}

static int run_import(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(import_request_release) struct import_request request = {0};
	cleanup(import_result_release) struct import_result result = {0};
	cleanup_json json_t *fields = json_object();

	request.events = unpack_events(out);
	request.user = json_get_str(params, "user", NULL);
	request.working_dir = json_get_str(params, "working_dir", NULL);
	if (json_need_str(params, "path", &request.path, err) < 0 ||
	    json_need_str(params, "name", &request.name, err) < 0 ||
	    job_params_pairs(params, "env", &request.env, err) < 0 ||
	    job_params_pairs(params, "labels", &request.labels, err) < 0 ||
	    job_params_list(params, "entrypoint", &request.entrypoint, err) < 0 ||
	    job_params_list(params, "cmd", &request.cmd, err) < 0 ||
	    open_store(params, &store, err) < 0 || store_sweep(&store, err) < 0)
		return -1;
	request.store = &store;
	job_progress(out, "import", "reading %s", request.path);
	if (import_image(&request, &result, err) < 0)
		return -1;
	json_set_str(fields, "name", request.name);
	json_set_str(fields, "digest", result.manifest.digest);
	json_set_int(fields, "bytes", result.bytes);
	json_set_int(fields, "skipped", result.skipped);
	job_result(out, fields);
	return 0;
}

/* ---- image-pull ---- */

static void show_pull(int64_t done, int64_t total, void *data)
{
	job_progress(data, "download", "%lld of %lld MiB", (long long)(done >> 20),
	             (long long)(total >> 20));
}

static void show_step(const char *text, void *data)
{
	job_progress(data, "pull", "%s", text);
}

static int add_defaults(const struct store *store, const struct descriptor *manifest,
                        json_t *fields, struct error *err)
{
	cleanup(image_release) struct image image = IMAGE_INIT;

	if (image_load_manifest(store, manifest, &image, err) < 0)
		return -1;
	json_object_set_new(fields, "defaults", image_defaults_new(&image));
	return 0;
}

/* With if_missing an image that is there is enough: 1, with its fields; 0 when it is not. */
static int find_present(const json_t *params, const struct store *store, const char *text,
                        json_t *fields)
{
	cleanup(error_release) struct error none = ERROR_INIT;
	cleanup(descriptor_release) struct descriptor manifest = {0};
	cleanup_free char *name = NULL;

	if (!json_get_bool(params, "if_missing", false) ||
	    store_find(store, text, &manifest, &name, &none) < 0 ||
	    add_defaults(store, &manifest, fields, &none) < 0)
		return 0;
	json_set_str(fields, "name", name);
	json_set_str(fields, "digest", manifest.digest);
	json_set_int(fields, "bytes", 0);
	return 1;
}

static int run_pull(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(reference_release) struct reference reference = REFERENCE_INIT;
	cleanup(pull_result_release) struct pull_result result = {0};
	cleanup_json json_t *fields = json_object();
	struct pull_request request = {
		.store = &store,
		.reference = &reference,
		.auth_file = json_get_str(params, "auth_file", NULL),
		.ca_file = json_get_str(params, "ca_file", NULL),
		.events = {.progress = show_pull, .step = show_step, .data = out},
	};
	const char *text;

	if (json_need_str(params, "reference", &text, err) < 0 ||
	    open_store(params, &store, err) < 0 || store_sweep(&store, err) < 0)
		return -1;
	if (find_present(params, &store, text, fields)) {
		job_result(out, fields);
		return 0;
	}
	if (reference_parse(text, &reference, err) < 0)
		return -1;
	if (registry_pull(&request, &result, err) < 0) {
		if (!err->hint && json_get_bool(params, "if_missing", false))
			error_hint(err, "`%s` is not in the store either: locald image list", text);
		return -1;
	}
	if (add_defaults(&store, &result.manifest, fields, err) < 0)
		return -1;
	json_set_str(fields, "name", result.name);
	json_set_str(fields, "digest", result.manifest.digest);
	json_set_int(fields, "bytes", result.bytes);
	json_set_int(fields, "layers", (int64_t)result.layers);
	json_set_int(fields, "present", (int64_t)result.present);
	job_result(out, fields);
	return 0;
}

/* ---- image-list ---- */

static void describe(const struct image *image, json_t *entry)
{
	const json_t *settings = json_object_get(image->config, "config");
	int64_t size = image->config_desc.size;
	static const struct {
		const char *key, *from;
	} copied[] = {{"entrypoint", "Entrypoint"}, {"cmd", "Cmd"}, {"labels", "Labels"}};

	array_foreach(layer, &image->layers)
		size += layer->size;
	json_set_int(entry, "size", size);
	json_set_str(entry, "created", json_get_str(image->config, "created", NULL));
	json_set_str(entry, "architecture", json_get_str(image->config, "architecture", NULL));
	json_set_str(entry, "user", image_user(image));
	json_set_str(entry, "working_dir", image_working_dir(image));
	for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
		json_t *value = json_object_get(settings, copied[i].from);

		json_object_set(entry, copied[i].key, value ? value : json_null());
	}
}

static int run_list(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(store_images_release) struct store_images images = {0};
	cleanup_json json_t *fields = json_object();
	json_t *list = json_array();

	json_object_set_new(fields, "images", list);
	if (open_store(params, &store, err) < 0 || store_list(&store, &images, err) < 0)
		return -1;
	array_foreach(named, &images.items) {
		cleanup(error_release) struct error broken = ERROR_INIT;
		cleanup(image_release) struct image image = IMAGE_INIT;
		json_t *entry = json_object();

		json_set_str(entry, "name", named->name);
		json_set_str(entry, "digest", named->manifest.digest);
		json_array_append_new(list, entry);
		if (image_load_manifest(&store, &named->manifest, &image, &broken) < 0)
			json_set_str(entry, "error", broken.text);
		else
			describe(&image, entry);
	}
	job_result(out, fields);
	return 0;
}

/* ---- image-remove ---- */

static int layers_in_use(const char *containers, struct strv *out, struct error *err)
{
	cleanup(strv_release) struct strv dirs = STRV_INIT;

	if (container_dirs_list(containers, &dirs, err) < 0)
		return -1;
	for (size_t i = 0; i < dirs.len; i++)
		if (container_dir_layers(dirs.items[i], out, err) < 0)
			return -1;
	return 0;
}

static int collect_garbage(const json_t *params, struct store *store, json_t *fields,
                           struct error *err)
{
	const char *containers = json_get_str(params, "containers", NULL);
	cleanup(strv_release) struct strv keep = STRV_INIT;
	struct store_gc count = {0};
	bool is_busy = false;

	if (containers && layers_in_use(containers, &keep, err) < 0)
		return -1;
	if (store_gc(store, &keep, &count, err) < 0) {
		/* The name is gone, which was asked for; the next removal takes the rest. */
		if (err->code != ERR_CONFLICT)
			return -1;
		is_busy = true;
		error_release(err);
		*err = (struct error)ERROR_INIT;
	}
	json_set_int(fields, "blobs", (int64_t)count.blobs);
	json_set_int(fields, "layers", (int64_t)count.layers);
	json_set_int(fields, "bytes", count.bytes);
	json_set_bool(fields, "deferred", is_busy);
	return 0;
}

static int run_remove(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(descriptor_release) struct descriptor manifest = {0};
	cleanup_json json_t *fields = json_object();
	cleanup_free char *found = NULL;
	const char *name;

	if (json_need_str(params, "name", &name, err) < 0 || open_store(params, &store, err) < 0 ||
	    store_find(&store, name, &manifest, &found, err) < 0 ||
	    store_remove_name(&store, found, err) < 0)
		return -1;
	json_set_str(fields, "name", found);
	if (collect_garbage(params, &store, fields, err) < 0)
		return error_wrap(err, "%s was removed, its files not", found);
	job_result(out, fields);
	return 0;
}

/* ---- bundle, cleanup ---- */

/* Without a runtime to try it with it is the kernel's overlay. */
static int choose_root(const json_t *params, const char *dir, struct root_choice *ret,
                       struct error *err)
{
	cleanup_free char *place = path_dir(dir);
	const struct root_question question = {
		.shim = json_get_str(params, "shim", NULL),
		.store = json_get_str(params, "store", NULL),
		.place = place,
		.memory = json_get_str(params, "root_memory", NULL),
	};

	return question.shim ? root_choose(&question, ret, err) : 0;
}

static int run_bundle(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup(store_release) struct store store = STORE_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(container_request_release) struct container_request request = {0};
	cleanup(container_user_release) struct container_user user = {0};
	cleanup(strv_release) struct strv warnings = STRV_INIT;
	cleanup(root_choice_release) struct root_choice root = {0};
	cleanup_json json_t *fields = json_object();
	cleanup_free char *bundle = NULL;
	const char *name, *dir;

	if (json_need_str(params, "image", &name, err) < 0 ||
	    json_need_str(params, "dir", &dir, err) < 0 ||
	    job_params_container(params, &request, err) < 0 ||
	    open_store(params, &store, err) < 0 || image_load(&store, name, &image, err) < 0)
		return -1;
	request.store = &store;
	request.image = &image;
	if (container_user_resolve(&store, &image, request.user ? request.user : image_user(&image),
	                           &user, err) < 0 ||
	    runtime_volumes_make(&request, &user, err) < 0)
		return -1;
	json_set_bool(
		fields, "scoped",
		runtime_limits_adjust(json_get_str(params, "shim", NULL), &request, &warnings));
	runtime_idmap_choose(&request, &user);
	if (choose_root(params, dir, &root, err) < 0)
		return -1;
	request.root = &root;
	if (container_dir_create(dir, &request, json_get_bool(params, "replace", false), err) < 0)
		return -1;
	runtime_volumes_warn(&request, &user, &warnings);
	json_object_set_new(fields, "warnings", json_from_strv(&warnings));
	bundle = container_dir_bundle(dir);
	json_set_str(fields, "bundle", bundle);
	json_set_str(fields, "digest", image.manifest.digest);
	json_set_str(fields, "root", root_kind_names[root.kind]);
	json_set_int(fields, "uid", user.uid);
	json_set_int(fields, "gid", user.gid);
	job_result(out, fields);
	return 0;
}

static int run_cleanup(const json_t *params, struct job_output *out, struct error *err)
{
	const char *dir;

	if (json_need_str(params, "dir", &dir, err) < 0)
		return -1;
	if (*dir != '/')
		return error_set(err, ERR_USAGE, "container directory %s is not absolute", dir);
	if (container_dir_remove(dir, err) < 0)
		return -1;
	job_result(out, NULL);
	return 0;
}

const struct job oci_jobs[OCI_JOB_COUNT] = {
	{"bundle", run_bundle, "Make the bundle of a container"},
	{"cleanup", run_cleanup, "Remove a container's bundle and writable layer"},
	{"image-import", run_import, "Import a root file system or an image archive"},
	{"image-list", run_list, "List the images of the store"},
	{"image-pull", run_pull, "Pull an image from a registry"},
	{"image-remove", run_remove, "Remove an image and what only it used"},
};
