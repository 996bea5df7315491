#include "cnb/build.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/build_key.h"
#include "cnb/build_phases.h"
#include "cnb/builder_info.h"
#include "cnb/builder_user.h"
#include "cnb/events.h"
#include "cnb/intake.h"
#include "cnb/source.h"

#include <errno.h>
#include <fcntl.h>

struct build {
	const struct build_request *request;
	const struct cnb_events *events;
	struct store store;
	struct image builder, run, previous;
	bool has_previous;
	struct builder_info info;
	struct owner owner;
	int folder, lock;
	struct source known, source;
	char *source_file, *record_file;
	json_t *key;
	char *reason;
};

static void build_release(struct build *build)
{
	store_release(&build->store);
	image_release(&build->builder);
	image_release(&build->run);
	image_release(&build->previous);
	builder_info_release(&build->info);
	close_fd(&build->folder);
	close_fd(&build->lock);
	source_release(&build->known);
	source_release(&build->source);
	free(build->source_file);
	free(build->record_file);
	json_decref(build->key);
	free(build->reason);
}

void build_request_release(struct build_request *request)
{
	strv_release(&request->buildpacks);
	strv_release(&request->env);
	strv_release(&request->exclude);
}

void build_result_release(struct build_result *result)
{
	free(result->digest);
	free(result->reason);
}

/* ---- what there is ---- */

static int load_builder(struct build *build, struct error *err)
{
	const char *name = build->request->builder;
	struct container_user user = {0};
	struct builder_user ids;

	if (image_load(&build->store, name, &build->builder, err) < 0) {
		error_wrap(err, "builder %s", name);
		return err->hint ? -1
		                 : error_hint(err,
		                              "`locald builder create %s -c builder.toml` "
		                              "makes it",
		                              name);
	}
	if (builder_info_read(&build->builder, name, &build->info, err) < 0)
		return -1;
	if (builder_user_read(&build->builder, &ids, err) < 0)
		return error_wrap(err, "builder %s", name);
	user.uid = ids.uid;
	user.gid = ids.gid;
	build->owner.uid = ids.uid;
	build->owner.gid = ids.gid;
	return runtime_config_map(&user, &build->owner.map, err);
}

static int load_run_image(struct build *build, struct error *err)
{
	const char *name =
		build->request->run_image ? build->request->run_image : build->info.run_image;

	if (!name)
		return error_set(err, ERR_CONFIG, "builder %s names no run image",
		                 build->request->builder);
	if (image_load(&build->store, name, &build->run, err) < 0)
		return error_wrap(err, "run image of builder %s", build->request->builder);
	return 0;
}

static int load_previous(struct build *build, struct error *err)
{
	if (image_load(&build->store, build->request->image, &build->previous, err) == 0) {
		build->has_previous = true;
		return 0;
	}
	if (err->code != ERR_NOT_FOUND)
		return error_wrap(err, "previous image");
	error_release(err);
	return 0;
}

static int open_source(struct build *build, struct error *err)
{
	const char *path = build->request->source;

	build->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (build->folder < 0)
		return error_errno(err, errno, "open the source folder %s", path);
	if (source_scan(build->folder, &build->request->exclude, &build->known, &build->source,
	                err) < 0)
		return error_wrap(err, "%s", path);
	if (!build->source.entries.len)
		return error_set(err, ERR_CONFIG, "%s: there is nothing to build in it", path);
	return 0;
}

/* ---- is there something to do? ---- */

static void find_reason(struct build *build)
{
	cleanup_json json_t *record = build_record_load(build->record_file);

	build->key = build_key_new(build->request, build->builder.manifest.digest,
	                           build->run.manifest.digest, &build->source);
	build->reason = build_key_reason(json_object_get(record, "key"), build->key, &build->known,
	                                 &build->source);
	if (build->reason)
		return;
	if (!build->has_previous)
		build->reason = xstrdup("the image is not in the store any more");
	else if (!str_eq(json_get_str(record, "image", ""), build->previous.manifest.digest))
		build->reason = xstrdup("the image was changed by somebody else");
	else if (build->request->force)
		build->reason = xstrdup("asked for");
}

static int finish_hit(struct build *build, struct build_result *ret, struct error *err)
{
	ret->is_hit = true;
	ret->reason = xstrdup("unchanged");
	ret->digest = xstrdup(build->previous.manifest.digest);
	/* Files with new times and old contents need not be read again next time. */
	if (build->source.hashed)
		return source_save(build->source_file, &build->source, err);
	return 0;
}

/* ---- the work ---- */

static int make_scratch(struct build *build, struct scratch *scratch, struct error *err)
{
	const struct build_request *request = build->request;
	cleanup(strbuf_release) struct strbuf order = STRBUF_INIT;
	struct scratch_content content = {
		.store = &build->store,
		.run = &build->run,
		.previous = build->has_previous && !request->no_cache ? &build->previous : NULL,
		.env = &request->env,
	};

	if (request->buildpacks.len) {
		if (builder_info_order(&build->info, &request->buildpacks, &order, err) < 0)
			return -1;
		content.order = order.buf;
	}
	if (scratch_sweep(request->cache, err) < 0 ||
	    (request->no_cache && scratch_forget_cache(request->cache, err) < 0) ||
	    scratch_create(scratch, request->cache, &build->owner, &content, err) < 0)
		return error_wrap(err, "build directories");
	return scratch_add_source(scratch, build->folder, &build->source, err);
}

/* The key is remembered only when the copy is what the fingerprint says. */
static int remember(struct build *build, bool is_exact, const char *image, struct error *err)
{
	if (!is_exact) {
		cnb_progress(
			build->events, "export",
			"the source changed while it was copied: the next build will not skip");
		if (unlink(build->record_file) < 0 && errno != ENOENT)
			return error_errno(err, errno, "remove %s", build->record_file);
		return 0;
	}
	if (source_save(build->source_file, &build->source, err) < 0)
		return -1;
	return build_record_save(build->record_file, build->key, image, err);
}

static int take_image(struct build *build, const struct scratch *scratch, bool is_exact,
                      struct build_result *ret, struct error *err)
{
	cleanup_free char *layout = xasprintf("%s/layout/" SCRATCH_APP_PATH, scratch->dir);
	cleanup(image_release) struct image image = IMAGE_INIT;
	int64_t begin = clock_mono_ms();
	struct userns_map map;

	cnb_progress(build->events, "store", "%s", build->request->image);
	/* The store's layers are in the caller's map, whoever the builder's user is. */
	if (userns_map_for_caller(&map, err) < 0 ||
	    intake_image(&build->store, &map, layout, &image, err) < 0 ||
	    store_set_name(&build->store, build->request->image, &image.manifest, err) < 0)
		return -1;
	cnb_done(build->events, "store", clock_mono_ms() - begin);
	ret->digest = xstrdup(image.manifest.digest);
	return remember(build, is_exact, image.manifest.digest, err);
}

static int run_in_scratch(struct build *build, struct scratch *scratch, struct phase_runner *runner,
                          struct build_result *ret, struct error *err)
{
	struct build_phases phases = {
		.request = build->request,
		.events = build->events,
		.store = &build->store,
		.builder = &build->builder,
		.owner = &build->owner,
		.scratch = scratch,
		.platform_api = build->info.platform_api,
	};
	int64_t begin = clock_mono_ms();
	int is_exact;

	cnb_progress(build->events, "prepare", "%s", build->reason);
	if (make_scratch(build, scratch, err) < 0)
		return -1;
	is_exact =
		source_is_unchanged(build->folder, &build->request->exclude, &build->source, err);
	if (is_exact < 0)
		return error_wrap(err, "%s", build->request->source);
	cnb_done(build->events, "prepare", clock_mono_ms() - begin);
	if (phase_runner_check(runner, err) < 0)
		return -1;
	runner->dir = scratch->dir;
	if (build_phases_run(&phases, runner, err) < 0 || phase_runner_check(runner, err) < 0)
		return -1;
	return take_image(build, scratch, is_exact, ret, err);
}

static int run(struct build *build, struct build_result *ret, struct error *err)
{
	cleanup(error_release) struct error later = ERROR_INIT;
	cleanup_free char *root_memory = path_join(build->request->cache, "container-root.json");
	cleanup(phase_runner_release) struct phase_runner runner = {0};
	struct scratch scratch = {0};
	int result = -1;

	/* From here on a signal ends the build in good order. */
	if (phase_runner_init(&runner, build->request->shim, NULL, build->events, err) == 0) {
		runner.root_memory = root_memory;
		result = run_in_scratch(build, &scratch, &runner, ret, err);
	}
	if (scratch_remove(&scratch, result < 0 ? &later : err) < 0)
		result = -1;
	return result;
}

static int open_cache(struct build *build, struct error *err)
{
	const char *cache = build->request->cache;
	cleanup_free char *lock = path_join(cache, "lock");

	if (fs_mkdirs_private(cache, err) < 0)
		return -1;
	build->lock = fs_lock(lock, false, err);
	if (build->lock < 0 && err->code == EWOULDBLOCK) {
		cnb_progress(build->events, "prepare", "waiting for another build of this source");
		build->lock = fs_lock(lock, true, err);
	}
	build->source_file = path_join(cache, "source.index");
	build->record_file = path_join(cache, "build.json");
	return build->lock < 0 ? -1 : 0;
}

int build_run(const struct build_request *request, const struct cnb_events *events,
              struct build_result *ret, struct error *err)
{
	cleanup(build_release) struct build build = {.request = request,
	                                             .events = events,
	                                             .store = STORE_INIT,
	                                             .folder = -1,
	                                             .lock = -1};
	int64_t begin = clock_mono_ms();

	if (open_cache(&build, err) < 0 || store_open(request->store, &build.store, err) < 0 ||
	    load_builder(&build, err) < 0 || load_run_image(&build, err) < 0 ||
	    load_previous(&build, err) < 0)
		return -1;
	source_load(build.source_file, &build.known);
	if (open_source(&build, err) < 0)
		return -1;
	find_reason(&build);
	if ((build.reason ? run : finish_hit)(&build, ret, err) < 0)
		return -1;
	if (build.reason)
		ret->reason = take_ptr(build.reason);
	ret->duration_ms = clock_mono_ms() - begin;
	return 0;
}
