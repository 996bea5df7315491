#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/buildpack.h"
#include "lifecycle/buildpack_env.h"
#include "lifecycle/dirs.h"
#include "lifecycle/env.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/group.h"
#include "lifecycle/launch_config.h"
#include "lifecycle/layer.h"
#include "lifecycle/phases.h"
#include "lifecycle/platform.h"
#include "lifecycle/sbom.h"
#include "lifecycle/spawn.h"
#include "lifecycle/toml_file.h"

#include <errno.h>
#include <stdio.h>

struct builder {
	const struct platform *platform;
	struct target target;
	struct strv env; /* of the container, changed by the layers made so far */
	json_t *entries; /* what is left of the plan */
	struct launch_config launch;
};

static void builder_release(struct builder *builder)
{
	target_release(&builder->target);
	strv_release(&builder->env);
	json_decref(builder->entries);
	launch_config_release(&builder->launch);
}

static bool provides(const json_t *entry, const char *id)
{
	size_t i;
	json_t *provider;

	json_array_foreach(json_object_get(entry, "providers"), i, provider) {
		if (str_eq(json_get_str(provider, "id", ""), id))
			return true;
	}
	return false;
}

/* The buildpack's own plan: [[entries]] name, metadata. */
static json_t *plan_for(const struct builder *builder, const char *id)
{
	json_t *plan = json_object();
	json_t *entries = json_array();
	size_t i;
	json_t *entry;

	json_array_foreach(builder->entries, i, entry) {
		if (provides(entry, id))
			json_array_extend(entries, json_object_get(entry, "requires"));
	}
	json_object_set_new(plan, "entries", entries);
	return plan;
}

static bool plan_has(const json_t *plan, const char *name)
{
	size_t i;
	json_t *entry;

	json_array_foreach(json_object_get(plan, "entries"), i, entry) {
		if (str_eq(json_get_str(entry, "name", ""), name))
			return true;
	}
	return false;
}

static bool is_named(const json_t *list, const char *name)
{
	size_t i;
	json_t *element;

	json_array_foreach((json_t *)list, i, element) {
		if (str_eq(json_get_str(element, "name", ""), name))
			return true;
	}
	return false;
}

/* What the buildpack met leaves the plan; what it says is unmet stays for the next provider. */
static int settle_plan(struct builder *builder, const json_t *plan, const char *dir,
                       struct error *err)
{
	cleanup_free char *file = path_join(dir, "build.toml");
	cleanup_json json_t *root = NULL;
	const json_t *unmet;
	json_t *left = json_array();
	size_t i;
	json_t *element;

	if (toml_file_read_optional(file, &root, err) < 0) {
		json_decref(left);
		return -1;
	}
	unmet = json_object_get(root, "unmet");
	json_array_foreach((json_t *)unmet, i, element) {
		const char *name = json_get_str(element, "name", "");

		if (!plan_has(plan, name)) {
			json_decref(left);
			return error_set(err, ERR_CONFIG, "%s: unmet \"%s\" is not in the plan",
			                 file, name);
		}
	}
	json_array_foreach(builder->entries, i, element) {
		const json_t *first = json_array_get(json_object_get(element, "requires"), 0);
		const char *name = json_get_str(first, "name", "");

		if (!plan_has(plan, name) || is_named(unmet, name))
			json_array_append(left, element);
	}
	json_decref(builder->entries);
	builder->entries = left;
	return 0;
}

static int run_program(const struct builder *builder, const struct buildpack *bp, const char *dir,
                       const json_t *plan, struct error *err)
{
	cleanup_temp_dir char *temp = temp_dir_new(err);
	cleanup_free char *program = path_join(bp->dir, "bin/build");
	cleanup_free char *plan_file = NULL;
	cleanup(strv_release) struct strv env = STRV_INIT;
	const char *argv[] = {program, dir, builder->platform->platform_dir, NULL, NULL};
	pid_t pid;
	int code;

	if (!temp)
		return -1;
	plan_file = path_join(temp, "plan.toml");
	argv[3] = plan_file;
	if (toml_file_write(plan_file, plan, err) < 0 ||
	    buildpack_env(builder->platform, bp, &builder->target, &builder->env, &env, err) < 0)
		return -1;
	if (bp->api_minor >= 8) {
		strv_env_set(&env, "CNB_LAYERS_DIR", dir);
		strv_env_set(&env, "CNB_BP_PLAN_PATH", plan_file);
	}
	pid = spawn_start(&(struct spawn){argv, &env, builder->platform->app, STDOUT_FILENO, -1},
	                  err);
	if (pid < 0)
		return -1;
	code = spawn_wait(pid, err);
	if (code > 0)
		return exit_error(err, EXIT_BUILDPACK_FAILED,
		                  "buildpack %s@%s failed with exit code %d", bp->id, bp->version,
		                  code);
	return code;
}

/* A layer of no type is not used; its directory stays for the buildpack's eyes only. */
static int set_aside(const struct layer *layer, struct error *err)
{
	cleanup_free char *ignored = xasprintf("%s.ignore", layer->dir);

	if (!layer->has_dir)
		return 0;
	if (remove_path(ignored, err) < 0)
		return -1;
	if (rename(layer->dir, ignored) < 0)
		return error_errno(err, errno, "rename %s", layer->dir);
	return 0;
}

static int apply_layers(struct builder *builder, const char *dir, struct error *err)
{
	cleanup(layers_release) struct layers layers = {0};

	if (layers_read(dir, &layers, err) < 0)
		return -1;
	array_foreach(layer, &layers.items) {
		if (!layer->is_build && !layer->is_launch && !layer->is_cache &&
		    set_aside(layer, err) < 0)
			return -1;
		if (layer->is_build)
			env_add_layer_build(&builder->env, layer->dir);
	}
	array_foreach(layer, &layers.items) {
		cleanup_free char *env = path_join(layer->dir, "env");
		cleanup_free char *env_build = path_join(layer->dir, "env.build");

		if (layer->is_build &&
		    (env_apply_dir(&builder->env, env, ENV_OVERRIDE, err) < 0 ||
		     env_apply_dir(&builder->env, env_build, ENV_OVERRIDE, err) < 0))
			return error_wrap(err, "layer %s", layer->name);
	}
	return 0;
}

static int build_one(struct builder *builder, const struct group_item *item, struct error *err)
{
	cleanup(freep_buildpack) struct buildpack *bp =
		buildpack_load(builder->platform->buildpacks, item->id, item->version, err);
	cleanup_free char *escaped = escaped_id(item->id);
	cleanup_free char *dir = path_join(builder->platform->layers, escaped);
	cleanup_json json_t *plan = plan_for(builder, item->id);

	if (!bp)
		return -1;
	printf("===> %s@%s\n", bp->id, bp->version);
	if (fs_mkdirs(dir, 0755, err) < 0 || run_program(builder, bp, dir, plan, err) < 0)
		return -1;
	if (apply_layers(builder, dir, err) < 0 || settle_plan(builder, plan, dir, err) < 0 ||
	    launch_config_add(&builder->launch, bp, dir, err) < 0 ||
	    sbom_collect(builder->platform->layers, bp, dir, err) < 0)
		return error_wrap(err, "buildpack %s@%s", bp->id, bp->version);
	return 0;
}

int phase_build(const struct platform *platform, struct error *err)
{
	cleanup(builder_release) struct builder builder = {.platform = platform};
	cleanup(group_release) struct group group = {0};
	cleanup_json json_t *plan = NULL;

	launch_config_init(&builder.launch);
	if (group_read(platform->group, &group, err) < 0 ||
	    toml_file_read_optional(platform->plan, &plan, err) < 0 ||
	    target_read(platform, &builder.target, err) < 0)
		return -1;
	builder.entries = json_incref(json_object_get(plan, "entries"));
	if (!builder.entries)
		builder.entries = json_array();
	env_pass_through(&builder.env, (const char *const *)environ);
	array_foreach(item, &group.items)
		if (build_one(&builder, item, err) < 0)
			return -1;
	if (sbom_finish(platform->layers, err) < 0)
		return -1;
	return launch_config_write(&builder.launch, platform->layers, &group, err);
}
