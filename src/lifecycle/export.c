#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/cache.h"
#include "lifecycle/dirs.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/export_image.h"
#include "lifecycle/group.h"
#include "lifecycle/labels.h"
#include "lifecycle/layer.h"
#include "lifecycle/phases.h"
#include "lifecycle/platform.h"
#include "lifecycle/slices.h"
#include "lifecycle/toml_file.h"
#include "oci/tar_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define LAUNCHER_PATH "/cnb/lifecycle/launcher"
#define PROCESS_DIR   "/cnb/process"

struct exporter {
	const struct platform *platform;
	struct group group;
	struct export_image image;
	struct cache cache;
	bool has_cache;
	json_t *analyzed, *launch; /* analyzed.toml and metadata.toml */
	json_t *old;               /* the previous image's label, or NULL */
	json_t *label;             /* the new one */
};

/* What a callback that fills a layer needs. */
struct tree {
	const char *path;
	struct slices slices;
	int slice;
};

static void exporter_release(struct exporter *exporter)
{
	group_release(&exporter->group);
	export_image_release(&exporter->image);
	cache_release(&exporter->cache);
	json_decref(exporter->analyzed);
	json_decref(exporter->launch);
	json_decref(exporter->label);
}

static int fill_dir(struct tar_writer *tar, void *data, struct error *err)
{
	const struct tree *tree = data;
	const struct tar_tree_options options = {
		.order = TAR_TREE_WALK, .uid = geteuid(), .gid = getegid()};

	if (tar_tree_add_parents(tar, "", tree->path, err) < 0)
		return -1;
	return tar_tree_add(tar, tree->path, tree->path, &options, err);
}

static bool is_of_slice(const char *name, unused_arg const struct stat *st, void *data)
{
	const struct tree *tree = data;

	return slice_of(&tree->slices, name) == tree->slice;
}

static int fill_app(struct tar_writer *tar, void *data, struct error *err)
{
	struct tree *tree = data;
	const struct tar_tree_options options = {.order = TAR_TREE_PATHS,
	                                         .uid = geteuid(),
	                                         .gid = getegid(),
	                                         .want = is_of_slice,
	                                         .data = tree};

	if (tar_tree_add_parents(tar, "", tree->path, err) < 0)
		return -1;
	return tar_tree_add(tar, tree->path, tree->path, &options, err);
}

static int fill_launcher(struct tar_writer *tar, void *data, struct error *err)
{
	const struct tree *tree = data;
	cleanup_close int fd = open(tree->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct tar_entry entry = {
		.name = LAUNCHER_PATH, .type = TAR_FILE, .mode = 0755, .mtime = TAR_TIME_FIXED};

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open %s", tree->path);
	entry.size = st.st_size;
	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/lifecycle", 0755, 0, 0, err) < 0)
		return -1;
	return tar_writer_file(tar, &entry, fd, err);
}

/* data: the processes, sorted by type. */
static int fill_processes(struct tar_writer *tar, void *data, struct error *err)
{
	size_t i;
	json_t *process;

	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, PROCESS_DIR, 0755, 0, 0, err) < 0)
		return -1;
	json_array_foreach((json_t *)data, i, process) {
		cleanup_free char *link = path_join(PROCESS_DIR, json_get_str(process, "type", ""));

		if (tar_tree_add_symlink(tar, link, LAUNCHER_PATH, 0, 0, err) < 0)
			return -1;
	}
	return 0;
}

/* Adds a layer of which the label says {"sha": …} under `key`. */
static int add_plain(struct exporter *exporter, const char *key, const char *created_by,
                     image_layer_fn *fill, void *data, struct error *err)
{
	const char *known = json_get_str(json_object_get(exporter->old, key), "sha", NULL);
	json_t *entry;
	struct image_layer layer;

	if (export_image_add(&exporter->image, known, created_by, fill, data, &layer, err) < 0)
		return -1;
	entry = json_object();
	json_set_str(entry, "sha", layer.digest);
	json_object_set_new(exporter->label, key, entry);
	return 0;
}

static const json_t *old_layer(const struct exporter *exporter, const char *id, const char *name)
{
	return json_object_get(cache_layers(exporter->old, id), name);
}

/* Makes the tar of a layer for the cache alone; nothing is written when it has `known`. */
static int make_for_cache(const struct exporter *exporter, const struct layer *layer,
                          const char *known, struct image_layer *ret, struct error *err)
{
	cleanup_free char *workshop = cache_workshop(&exporter->cache, err);
	struct tree tree = {.path = layer->dir};

	if (!workshop || image_layer_make(workshop, known, fill_dir, &tree, ret, err) < 0)
		return -1;
	return ret->is_known ? 0 : cache_take(&exporter->cache, ret->digest, err);
}

/* exported: the layer as the image got it, or NULL when it is not for launch. */
static int cache_layer(struct exporter *exporter, const struct group_item *item,
                       const struct layer *layer, const struct image_layer *exported,
                       struct error *err)
{
	struct cache *cache = &exporter->cache;
	const json_t *cached =
		json_object_get(cache_layers(cache->metadata, item->id), layer->name);
	const char *known = json_get_str(cached, "sha", NULL);
	struct image_layer made = {0};
	json_t *entry;

	if (known && !cache_has(cache, known))
		known = NULL;
	if (exported)
		made = *exported;
	/* Neither in the image's layout nor, for all we know, in the cache. */
	if (!exported || (made.is_known && !cache_has(cache, made.digest))) {
		if (make_for_cache(exporter, layer, known, &made, err) < 0)
			return -1;
		exported = NULL;
	}
	entry = layer_to_json(layer);
	json_set_str(entry, "sha", made.digest);
	cache_note(cache, item->id, item->version, layer->name, entry);
	if (cache_has(cache, made.digest))
		return cache_keep(cache, made.digest, err);
	if (exported) {
		cleanup_free char *file = layout_blob_path(exporter->image.dir, made.digest);

		return cache_put(cache, made.digest, file, err);
	}
	return 0;
}

static int export_layer(struct exporter *exporter, const struct group_item *item,
                        const struct layer *layer, json_t *labels, struct error *err)
{
	const char *known = json_get_str(old_layer(exporter, item->id, layer->name), "sha", NULL);
	cleanup_free char *created_by = xasprintf("Layer: '%s', Created by buildpack: %s@%s",
	                                          layer->name, item->id, item->version);
	struct tree tree = {.path = layer->dir};
	struct image_layer made = {0};
	json_t *entry;

	if (layer->is_launch && layer->has_dir) {
		if (export_image_add(&exporter->image, known, created_by, fill_dir, &tree, &made,
		                     err) < 0)
			return -1;
		printf("%s layer '%s:%s'\n", made.is_known ? "Reusing" : "Adding", item->id,
		       layer->name);
	} else if (layer->is_launch) {
		if (layer->is_cache || !known)
			return error_set(err, ERR_FAILED,
			                 "buildpack %s left launch layer %s without contents, and "
			                 "the previous image has none to reuse",
			                 item->id, layer->name);
		if (export_image_reuse(&exporter->image, known, created_by, err) < 0)
			return error_wrap(err, "layer %s:%s", item->id, layer->name);
		str_copy(made.digest, sizeof(made.digest), known);
		printf("Reusing layer '%s:%s'\n", item->id, layer->name);
	}
	if (layer->is_launch) {
		entry = layer_to_json(layer);
		json_set_str(entry, "sha", made.digest);
		json_object_set_new(labels, layer->name, entry);
	}
	if (!exporter->has_cache || !layer->is_cache || !layer->has_dir)
		return 0;
	return cache_layer(exporter, item, layer, layer->is_launch ? &made : NULL, err);
}

static int export_buildpack(struct exporter *exporter, const struct group_item *item,
                            struct error *err)
{
	cleanup_free char *escaped = escaped_id(item->id);
	cleanup_free char *dir = path_join(exporter->platform->layers, escaped);
	cleanup_free char *store_file = path_join(dir, "store.toml");
	cleanup(layers_release) struct layers layers = {0};
	cleanup_json json_t *store = NULL;
	json_t *entry = json_object();
	json_t *labels = json_object();

	json_set_str(entry, "key", item->id);
	json_set_str(entry, "version", item->version);
	json_object_set_new(entry, "layers", labels);
	json_array_append_new(json_object_get(exporter->label, "buildpacks"), entry);
	if (layers_read(dir, &layers, err) < 0 ||
	    toml_file_read_optional(store_file, &store, err) < 0)
		return -1;
	if (json_object_size(json_object_get(store, "metadata"))) {
		json_t *kept = json_object();

		json_object_set(kept, "metadata", json_object_get(store, "metadata"));
		json_object_set_new(entry, "store", kept);
	}
	array_foreach(layer, &layers.items)
		if (export_layer(exporter, item, layer, labels, err) < 0)
			return -1;
	return 0;
}

static int export_sbom(struct exporter *exporter, struct error *err)
{
	cleanup_free char *path = path_join(exporter->platform->layers, "sbom/launch");
	struct tree tree = {.path = path};

	if (!fs_is_dir(path))
		return 0;
	return add_plain(exporter, "sbom", "Software Bill-of-Materials", fill_dir, &tree, err);
}

static int export_app(struct exporter *exporter, struct error *err)
{
	const json_t *slices = json_object_get(exporter->launch, "slices");
	const json_t *old = json_object_get(exporter->old, "app");
	size_t count = json_array_size(slices);
	json_t *list = json_array();

	json_object_set_new(exporter->label, "app", list);
	for (size_t i = 0; i <= count; i++) {
		struct tree tree = {.path = exporter->platform->app,
		                    .slices = {exporter->platform->app, slices},
		                    .slice = i < count ? (int)i : SLICE_REST};
		cleanup_free char *created_by = count && i < count
		                                        ? xasprintf("Application Slice: %zu", i + 1)
		                                        : xstrdup("Application Layer");
		const char *known = json_get_str(json_array_get(old, i), "sha", NULL);
		struct image_layer made;
		json_t *entry;

		if (export_image_add(&exporter->image, known, created_by, fill_app, &tree, &made,
		                     err) < 0)
			return -1;
		entry = json_object();
		json_set_str(entry, "sha", made.digest);
		json_array_append_new(list, entry);
		printf("%s %s\n", made.is_known ? "Reusing" : "Adding", created_by);
	}
	return 0;
}

static int export_layers(struct exporter *exporter, struct error *err)
{
	const struct platform *platform = exporter->platform;
	cleanup_free char *config = path_join(platform->layers, "config");
	struct tree launcher = {.path = platform->launcher};
	struct tree tree = {.path = config};
	json_t *processes = json_object_get(exporter->launch, "processes");

	array_foreach(item, &exporter->group.items)
		if (export_buildpack(exporter, item, err) < 0)
			return -1;
	if (export_sbom(exporter, err) < 0 || export_app(exporter, err) < 0 ||
	    add_plain(exporter, "launcher", "Buildpacks Application Launcher", fill_launcher,
	              &launcher, err) < 0 ||
	    add_plain(exporter, "config", "Buildpacks Launcher Config", fill_dir, &tree, err) < 0)
		return -1;
	if (!json_array_size(processes))
		return 0;
	return add_plain(exporter, "process-types", "Buildpacks Process Types", fill_processes,
	                 processes, err);
}

static bool has_process(const json_t *processes, const char *type)
{
	size_t i;
	json_t *process;

	json_array_foreach((json_t *)processes, i, process) {
		if (str_eq(json_get_str(process, "type", ""), type))
			return true;
	}
	return false;
}

static int set_entrypoint(struct exporter *exporter, struct error *err)
{
	json_t *settings = export_image_settings(&exporter->image);
	const char *type = exporter->platform->process_type;
	const json_t *processes = json_object_get(exporter->launch, "processes");

	if (!type)
		type = json_get_str(exporter->launch, "buildpack-default-process-type", NULL);
	if (type && !has_process(processes, type))
		return error_set(err, ERR_NOT_FOUND,
		                 "no buildpack made a process \"%s\", which was to be the default",
		                 type);
	json_object_set_new(settings, "Entrypoint",
	                    type ? json_pack("[o]", json_sprintf("%s/%s", PROCESS_DIR, type))
	                         : json_pack("[s]", LAUNCHER_PATH));
	json_object_del(settings, "Cmd");
	json_set_str(settings, "WorkingDir", exporter->platform->app);
	return 0;
}

static void set_env(struct exporter *exporter)
{
	static const char fallback[] =
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	struct export_image *image = &exporter->image;
	const char *old = export_image_env(image, "PATH");
	cleanup_free char *path =
		xasprintf("%s:/cnb/lifecycle:%s", PROCESS_DIR, str_empty(old) ? fallback : old);

	export_image_set_env(image, "PATH", path);
	export_image_set_env(image, "CNB_LAYERS_DIR", exporter->platform->layers);
	export_image_set_env(image, "CNB_APP_DIR", exporter->platform->app);
	export_image_set_env(image, "CNB_PLATFORM_API", exporter->platform->api);
	export_image_set_env(image, "CNB_DEPRECATION_MODE", "quiet");
}

static void set_json_label(struct exporter *exporter, const char *name, const json_t *value)
{
	cleanup_free char *text = json_text(value);

	export_image_set_label(&exporter->image, name, text);
}

static void add_run_image(struct exporter *exporter)
{
	const json_t *ids =
		json_object_get(json_object_get(exporter->image.run.config, "rootfs"), "diff_ids");
	const json_t *top = json_array_get(ids, json_array_size(ids) - 1);
	const json_t *run = json_object_get(exporter->analyzed, "run-image");
	json_t *entry = json_object();

	if (json_array_size(ids))
		json_set_str(entry, "topLayer", json_string_value(top));
	json_set_str(entry, "reference", json_get_str(run, "reference", ""));
	json_set_str(entry, "image", json_get_str(run, "image", ""));
	json_object_set_new(exporter->label, "runImage", entry);
}

/* What people and tools read: buildpacks and processes. */
static json_t *build_label(const struct exporter *exporter)
{
	json_t *label = json_object();
	json_t *buildpacks = json_array();
	json_t *processes = json_array();
	size_t i;
	json_t *process;

	array_foreach(item, &exporter->group.items) {
		json_t *entry = json_object();

		json_set_str(entry, "id", item->id);
		json_set_str(entry, "version", item->version);
		if (item->homepage)
			json_set_str(entry, "homepage", item->homepage);
		json_array_append_new(buildpacks, entry);
	}
	json_array_foreach(json_object_get(exporter->launch, "processes"), i, process) {
		json_t *entry = json_copy(process);

		json_object_set(entry, "buildpackID", json_object_get(entry, "buildpack-id"));
		json_object_del(entry, "buildpack-id");
		json_array_append_new(processes, entry);
	}
	json_object_set_new(label, "buildpacks", buildpacks);
	json_object_set_new(label, "processes", processes);
	json_object_set(label, "buildpack-default-process-type",
	                json_object_get(exporter->launch, "buildpack-default-process-type"));
	return label;
}

static int set_labels(struct exporter *exporter, struct error *err)
{
	cleanup_json json_t *build = build_label(exporter);
	cleanup_json json_t *project = NULL;
	size_t i;
	json_t *label;

	if (toml_file_read_optional(exporter->platform->project_metadata, &project, err) < 0)
		return -1;
	add_run_image(exporter);
	json_array_foreach(json_object_get(exporter->launch, "labels"), i, label) {
		const char *key, *value;

		if (json_need_str(label, "key", &key, err) < 0 ||
		    json_need_str(label, "value", &value, err) < 0)
			return error_wrap(err, "label %zu of the buildpacks", i + 1);
		export_image_set_label(&exporter->image, key, value);
	}
	set_json_label(exporter, LABEL_LIFECYCLE, exporter->label);
	set_json_label(exporter, LABEL_BUILD, build);
	set_json_label(exporter, LABEL_PROJECT, project);
	return 0;
}

static int write_report(const struct exporter *exporter, struct error *err)
{
	cleanup_json json_t *report = json_object();
	json_t *image = json_object();

	json_object_set_new(report, "image", image);
	json_object_set_new(image, "tags", json_pack("[s]", exporter->platform->images.items[0]));
	json_set_str(image, "digest", exporter->image.manifest_digest);
	json_set_int(image, "manifest-size", exporter->image.manifest_size);
	return toml_file_write(exporter->platform->report, report, err);
}

static int open_images(struct exporter *exporter, struct error *err)
{
	const struct platform *platform = exporter->platform;
	const json_t *run = json_object_get(exporter->analyzed, "run-image");
	const json_t *previous = json_object_get(exporter->analyzed, "image");
	cleanup_free char *dir = layout_path(platform->layout_dir, platform->images.items[0], err);
	const char *reference;

	if (!dir)
		return -1;
	if (json_need_str(run, "reference", &reference, err) < 0)
		return error_wrap(err, "%s: run-image", platform->analyzed);
	return export_image_open(&exporter->image, reference,
	                         json_get_str(previous, "reference", ""), dir, err);
}

static int open_cache(struct exporter *exporter, struct error *err)
{
	if (!exporter->platform->cache_dir)
		return 0;
	exporter->has_cache = true;
	if (cache_open(exporter->platform->cache_dir, &exporter->cache, err) < 0)
		return -1;
	return cache_begin(&exporter->cache, err);
}

int phase_export(const struct platform *platform, struct error *err)
{
	cleanup(exporter_release) struct exporter exporter = {.platform = platform};
	cleanup_free char *launch_file = path_join(platform->layers, "config/metadata.toml");

	if (group_read(platform->group, &exporter.group, err) < 0 ||
	    toml_file_read(platform->analyzed, &exporter.analyzed, err) < 0 ||
	    toml_file_read(launch_file, &exporter.launch, err) < 0)
		return -1;
	exporter.old = json_object_get(exporter.analyzed, "metadata");
	exporter.label = json_pack("{s:[]}", "buildpacks");
	if (open_images(&exporter, err) < 0 || open_cache(&exporter, err) < 0 ||
	    export_layers(&exporter, err) < 0 || set_entrypoint(&exporter, err) < 0)
		return -1;
	set_env(&exporter);
	if (set_labels(&exporter, err) < 0 ||
	    export_image_write(&exporter.image, platform->created, "latest", err) < 0 ||
	    write_report(&exporter, err) < 0)
		return -1;
	printf("Image %s\n", exporter.image.manifest_digest);
	return exporter.has_cache ? cache_commit(&exporter.cache, err) : 0;
}
