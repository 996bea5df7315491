#include "cnb/builder_create.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/userns.h"
#include "cnb/builder_buildpack.h"
#include "cnb/builder_config.h"
#include "cnb/builder_info.h"
#include "cnb/builder_user.h"
#include "cnb/events.h"
#include "cnb/new_layer.h"
#include "config/toml_write.h"
#include "oci/reference.h"
#include "oci/tar_tree.h"

#include <errno.h>
#include <fcntl.h>

#define CREATED "1980-01-01T00:00:01Z"

struct creator {
	const struct builder_request *request;
	const struct cnb_events *events;
	struct builder_config config;
	struct buildpack_folders buildpacks;
	struct store store;
	struct userns_map map;
	struct image image; /* the builder */
	struct builder_user user;
	char *run_name;
};

static void creator_release(struct creator *creator)
{
	builder_config_release(&creator->config);
	buildpack_folders_release(&creator->buildpacks);
	store_release(&creator->store);
	image_release(&creator->image);
	free(creator->run_name);
}

void builder_result_release(struct builder_result *result)
{
	free(result->digest);
}

/* ---- the contents of the layers ---- */

static int add_program(struct tar_writer *tar, const char *path, const char *name,
                       struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct tar_entry entry = {
		.name = name, .type = TAR_FILE, .mode = 0755, .mtime = TAR_TIME_FIXED};

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open %s", path);
	entry.size = st.st_size;
	return tar_writer_file(tar, &entry, fd, err);
}

static int fill_lifecycle(struct tar_writer *tar, void *data, struct error *err)
{
	static const char *const phases[] = {"analyzer", "builder",  "creator",
	                                     "detector", "exporter", "restorer"};
	const struct creator *creator = data;

	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/lifecycle", 0755, 0, 0, err) < 0 ||
	    add_program(tar, creator->request->launcher, "/cnb/lifecycle/launcher", err) < 0 ||
	    add_program(tar, creator->request->lifecycle, "/cnb/lifecycle/lifecycle", err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		cleanup_free char *name = path_join("/cnb/lifecycle", phases[i]);

		if (tar_tree_add_symlink(tar, name, "lifecycle", 0, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int fill_dirs(struct tar_writer *tar, void *data, struct error *err)
{
	const struct creator *creator = data;
	const struct builder_user *user = &creator->user;

	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/build-config", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/build-config/env", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/cnb/buildpacks", 0755, 0, 0, err) < 0)
		return -1;
	for (size_t i = 0; i < creator->config.build_env.len; i++) {
		const char *entry = creator->config.build_env.items[i];
		cleanup_free char *name = xstrndup(entry, strcspn(entry, "="));
		cleanup_free char *path = path_join("/cnb/build-config/env", name);
		const char *value = entry + strlen(name) + 1;

		if (tar_tree_add_bytes(tar, path, 0644, 0, 0, value, strlen(value), err) < 0)
			return -1;
	}
	if (tar_tree_add_dir(tar, "/layers", 0755, user->uid, user->gid, err) < 0 ||
	    tar_tree_add_dir(tar, "/platform", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_dir(tar, "/platform/env", 0755, 0, 0, err) < 0)
		return -1;
	return tar_tree_add_dir(tar, "/workspace", 0755, user->uid, user->gid, err);
}

static const char *version_of(const struct creator *creator, const struct builder_order_item *item)
{
	return buildpack_folder_find(&creator->buildpacks, item->id, item->version)->version;
}

static int fill_order(struct tar_writer *tar, void *data, struct error *err)
{
	const struct creator *creator = data;
	cleanup(strbuf_release) struct strbuf order = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf run = STRBUF_INIT;

	array_foreach(group, &creator->config.order) {
		toml_put_table_array(&order, "order", NULL);
		array_foreach(item, &group->items) {
			toml_put_table_array(&order, "order", "group", NULL);
			toml_put_str(&order, "id", item->id);
			toml_put_str(&order, "version", version_of(creator, item));
			if (item->is_optional)
				toml_put_bool(&order, "optional", true);
		}
	}
	toml_put_table_array(&run, "images", NULL);
	toml_put_str(&run, "image", creator->run_name);
	if (tar_tree_add_dir(tar, "/cnb", 0755, 0, 0, err) < 0 ||
	    tar_tree_add_bytes(tar, "/cnb/order.toml", 0644, 0, 0, order.buf, order.len, err) < 0)
		return -1;
	return tar_tree_add_bytes(tar, "/cnb/run.toml", 0644, 0, 0, run.buf, run.len, err);
}

/* ---- the labels ---- */

static json_t *builder_label(const struct creator *creator)
{
	json_t *label = json_object();
	json_t *buildpacks = json_array();

	json_set_str(label, "description",
	             creator->config.description ? creator->config.description : "");
	array_foreach(folder, &creator->buildpacks.items) {
		json_t *entry = json_object();

		json_set_str(entry, "id", folder->id);
		json_set_str(entry, "version", folder->version);
		if (folder->homepage)
			json_set_str(entry, "homepage", folder->homepage);
		json_array_append_new(buildpacks, entry);
	}
	json_object_set_new(label, "buildpacks", buildpacks);
	json_object_set_new(label, "stack",
	                    json_pack("{s:{s:s}}", "runImage", "image", creator->run_name));
	json_object_set_new(label, "images", json_pack("[{s:s}]", "image", creator->run_name));
	json_object_set_new(
		label, "lifecycle",
		json_pack("{s:s, s:{s:s, s:s}, s:{s:{s:[], s:[s,s,s,s,s,s]}, s:{s:[], s:[s,s]}}}",
	                  "version", LOCALD_VERSION, "api", "buildpack", "0.7", "platform", "0.12",
	                  "apis", "buildpack", "deprecated", "supported", "0.7", "0.8", "0.9",
	                  "0.10", "0.11", "0.12", "platform", "deprecated", "supported", "0.12",
	                  "0.13"));
	json_object_set_new(label, "createdBy",
	                    json_pack("{s:s, s:s}", "name", "locald", "version", LOCALD_VERSION));
	return label;
}

static json_t *layers_label(const struct creator *creator)
{
	json_t *label = json_object();

	array_foreach(folder, &creator->buildpacks.items) {
		json_t *versions = json_object_get(label, folder->id);
		json_t *entry = json_object();

		if (!versions) {
			versions = json_object();
			json_object_set_new(label, folder->id, versions);
		}
		json_set_str(entry, "api", folder->api);
		json_set_str(entry, "layerDiffID", folder->diff_id);
		if (folder->order)
			json_object_set(entry, "order", folder->order);
		if (folder->targets)
			json_object_set(entry, "targets", folder->targets);
		if (folder->name)
			json_set_str(entry, "name", folder->name);
		if (folder->homepage)
			json_set_str(entry, "homepage", folder->homepage);
		json_object_set_new(versions, folder->version, entry);
	}
	return label;
}

static json_t *order_label(const struct creator *creator)
{
	json_t *label = json_array();

	array_foreach(group, &creator->config.order) {
		json_t *list = json_array();

		array_foreach(item, &group->items) {
			json_t *entry = json_object();

			json_set_str(entry, "id", item->id);
			json_set_str(entry, "version", version_of(creator, item));
			if (item->is_optional)
				json_set_bool(entry, "optional", true);
			json_array_append_new(list, entry);
		}
		json_array_append_new(label, json_pack("{s:o}", "group", list));
	}
	return label;
}

/* Takes the value. */
static void set_label(struct image *image, const char *name, json_t *value)
{
	cleanup_free char *text = json_text(value);

	image_set_label(image, name, text);
	json_decref(value);
}

/* ---- checks ---- */

/* Every id of the order is a buildpack of the file. */
static int check_order(const struct creator *creator, struct error *err)
{
	cleanup(strv_release) struct strv ids = STRV_INIT;

	array_foreach(folder, &creator->buildpacks.items)
		strv_add(&ids, folder->id);
	array_foreach(group, &creator->config.order)
		array_foreach(item, &group->items) {
			const char *nearest;

			if (buildpack_folder_find(&creator->buildpacks, item->id, item->version))
				continue;
			builder_config_error(&creator->config, item->pos, err,
			                     "no [[buildpacks]] has %s%s%s", item->id,
			                     item->version ? "@" : "",
			                     item->version ? item->version : "");
			nearest = str_nearest(item->id, (const char *const *)ids.items, ids.len);
			return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
		}
	return 0;
}

/* And so is every id of a composite buildpack's own order. */
static int check_composites(const struct creator *creator, struct error *err)
{
	array_foreach(folder, &creator->buildpacks.items) {
		size_t i, j;
		json_t *group, *item;

		json_array_foreach(folder->order, i, group) {
			json_array_foreach(json_object_get(group, "group"), j, item) {
				const char *id = json_get_str(item, "id", "");
				const char *version = json_get_str(item, "version", NULL);

				if (!buildpack_folder_find(&creator->buildpacks, id, version))
					return error_set(err, ERR_CONFIG,
					                 "%s: buildpack %s needs %s@%s, which is "
					                 "not among the [[buildpacks]]",
					                 creator->config.file, folder->id, id,
					                 version ? version : "?");
			}
		}
	}
	return 0;
}

static int load_image(const struct creator *creator, const char *name, struct toml_pos pos,
                      struct image *ret, struct error *err)
{
	if (image_load(&creator->store, name, ret, err) == 0)
		return 0;
	error_wrap(err, "%s:%d:%d", creator->config.file, pos.line, pos.column);
	return err->hint ? -1
	                 : error_hint(err, "`locald image list` shows what there is; `locald image "
	                                   "import` and `locald image pull` add to it");
}

/* ---- the images ---- */

/* A run image without an ordinary user gets one, under a name of its own beside the builder's. */
static int make_run_image(struct creator *creator, struct error *err)
{
	cleanup(image_release) struct image run = IMAGE_INIT;
	struct builder_user user;
	bool changed;

	if (load_image(creator, creator->config.run_image, creator->config.run_pos, &run, err) < 0)
		return -1;
	if (builder_user_ensure(&creator->store, &creator->map, &run, &user, &changed, err) < 0)
		return error_wrap(err, "run image %s", creator->config.run_image);
	if (!changed) {
		creator->run_name = xstrdup(creator->config.run_image);
		return 0;
	}
	creator->run_name = xasprintf("%s-run", creator->request->name);
	cnb_progress(creator->events, "run image", "%s: %s with user %u:%u", creator->run_name,
	             creator->config.run_image, user.uid, user.gid);
	image_set_created(&run, CREATED);
	if (image_commit(&creator->store, &run, err) < 0)
		return -1;
	return store_set_name(&creator->store, creator->run_name, &run.manifest, err);
}

static int add_layer(struct creator *creator, const char *created_by, new_layer_fn *fill,
                     void *data, struct error *err)
{
	char ignored[SHA256_DIGEST_SIZE];

	return new_layer_add(&creator->store, &creator->map, &creator->image, created_by, fill,
	                     data, ignored, err);
}

static int add_layers(struct creator *creator, struct error *err)
{
	bool ignored;

	if (builder_user_ensure(&creator->store, &creator->map, &creator->image, &creator->user,
	                        &ignored, err) < 0)
		return error_wrap(err, "image %s", creator->config.build_image);
	cnb_progress(creator->events, "lifecycle", "%s", LOCALD_VERSION);
	if (add_layer(creator, "Builder directories", fill_dirs, creator, err) < 0 ||
	    add_layer(creator, "Lifecycle", fill_lifecycle, creator, err) < 0)
		return -1;
	array_foreach(folder, &creator->buildpacks.items) {
		cleanup_free char *created_by =
			xasprintf("Buildpack: %s@%s", folder->id, folder->version);

		cnb_progress(creator->events, "buildpack", "%s@%s", folder->id, folder->version);
		if (new_layer_add(&creator->store, &creator->map, &creator->image, created_by,
		                  buildpack_folder_fill, folder, folder->diff_id, err) < 0)
			return -1;
	}
	return add_layer(creator, "Order and run image", fill_order, creator, err);
}

static int finish(struct creator *creator, struct builder_result *ret, struct error *err)
{
	cleanup(strv_release) struct strv none = STRV_INIT;

	set_label(&creator->image, LABEL_BUILDER, builder_label(creator));
	set_label(&creator->image, LABEL_LAYERS, layers_label(creator));
	set_label(&creator->image, LABEL_ORDER, order_label(creator));
	image_set_entrypoint(&creator->image, &none);
	image_set_working_dir(&creator->image, "/layers");
	image_set_created(&creator->image, CREATED);
	if (image_commit(&creator->store, &creator->image, err) < 0 ||
	    store_set_name(&creator->store, creator->request->name, &creator->image.manifest, err) <
	            0)
		return -1;
	ret->digest = xstrdup(creator->image.manifest.digest);
	ret->buildpacks = creator->buildpacks.items.len;
	return 0;
}

int builder_create(const struct builder_request *request, const struct cnb_events *events,
                   struct builder_result *ret, struct error *err)
{
	cleanup(creator_release) struct creator creator = {
		.request = request, .events = events, .store = STORE_INIT};

	if (reference_check_local_name(request->name, err) < 0 ||
	    builder_config_read(request->config, &creator.config, err) < 0 ||
	    buildpack_folders_read(&creator.config, &creator.buildpacks, err) < 0 ||
	    check_order(&creator, err) < 0 || check_composites(&creator, err) < 0)
		return -1;
	if (userns_map_for_caller(&creator.map, err) < 0 ||
	    store_open(request->store, &creator.store, err) < 0 ||
	    load_image(&creator, creator.config.build_image, creator.config.build_pos,
	               &creator.image, err) < 0)
		return -1;
	if (make_run_image(&creator, err) < 0 || add_layers(&creator, err) < 0)
		return -1;
	return finish(&creator, ret, err);
}
