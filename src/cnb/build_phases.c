#include "cnb/build_phases.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cnb/build.h"
#include "cnb/events.h"

#define EXIT_NOT_DETECTED  20
#define EXIT_DETECT_BROKEN 21

enum mount {
	MOUNT_WORKSPACE = 1,
	MOUNT_PLATFORM = 2,
	MOUNT_LAYOUT = 4,
	MOUNT_CACHE = 8,
};

/* What the flags of a phase are besides the layers directory. */
#define APP      "-app", "/workspace"
#define PLATFORM "-platform", "/platform"
#define LAYOUT   "-layout", "-layout-dir", "/layout-repo"
#define CACHE    "-cache-dir", "/cache"

static const struct phase_info {
	const char *name, *program;
	unsigned mounts;
	const char *flags[10];
	bool makes_image;
} infos[] = {
	{"analyze",
         "analyzer",
         MOUNT_LAYOUT,
         {LAYOUT, "-run-image", SCRATCH_RUN_IMAGE, "-previous-image", SCRATCH_PREVIOUS_IMAGE},
         true},
	{"detect", "detector", MOUNT_WORKSPACE | MOUNT_PLATFORM, {APP, PLATFORM}, false},
	{"restore", "restorer", MOUNT_CACHE, {CACHE}, false},
	{"build", "builder", MOUNT_WORKSPACE | MOUNT_PLATFORM, {APP, PLATFORM}, false},
	{"export",
         "exporter",
         MOUNT_WORKSPACE | MOUNT_LAYOUT | MOUNT_CACHE,
         {APP, LAYOUT, CACHE},
         true},
};

/* Takes the source string. */
static void add_mount(struct container_request *request, char *source, const char *target,
                      bool is_readonly)
{
	*array_add(&request->mounts) = (struct container_mount){.type = CONTAINER_BIND,
	                                                        .source = source,
	                                                        .target = target,
	                                                        .is_readonly = is_readonly};
}

static void add_mounts(const struct build_phases *phases, unsigned mounts,
                       struct container_request *request)
{
	const char *dir = phases->scratch->dir;

	add_mount(request, path_join(dir, "layers"), "/layers", false);
	if (mounts & MOUNT_WORKSPACE)
		add_mount(request, path_join(dir, "workspace"), "/workspace", false);
	if (mounts & MOUNT_PLATFORM)
		add_mount(request, path_join(dir, "platform"), "/platform", true);
	if (mounts & MOUNT_LAYOUT)
		add_mount(request, path_join(dir, "layout"), "/layout-repo", false);
	if (mounts & MOUNT_CACHE)
		add_mount(request, path_join(phases->scratch->cache, "cache"), "/cache", false);
}

static void add_args(const struct build_phases *phases, const struct phase_info *info,
                     struct container_request *request)
{
	strv_addf(&request->args, "/cnb/lifecycle/%s", info->program);
	strv_add(&request->args, "-layers");
	strv_add(&request->args, "/layers");
	if (phases->request->verbose) {
		strv_add(&request->args, "-log-level");
		strv_add(&request->args, "debug");
	}
	for (size_t i = 0; i < ARRAY_LEN(info->flags) && info->flags[i]; i++)
		strv_add(&request->args, info->flags[i]);
	if (str_eq(info->name, "export") && phases->request->process) {
		strv_add(&request->args, "-process-type");
		strv_add(&request->args, phases->request->process);
	}
	if (info->makes_image)
		strv_add(&request->args, SCRATCH_APP_IMAGE);
}

static void add_env(const struct build_phases *phases, const struct phase_info *info,
                    struct container_request *request)
{
	static const char *const proxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	                                      "http_proxy", "https_proxy", "no_proxy"};

	strv_env_set(&request->env, "CNB_PLATFORM_API", phases->platform_api);
	if (info->mounts & MOUNT_LAYOUT) {
		strv_env_set(&request->env, "CNB_USE_LAYOUT", "true");
		strv_env_set(&request->env, "CNB_EXPERIMENTAL_MODE", "warn");
	}
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		const char *value = getenv(proxies[i]);

		if (value)
			strv_env_set(&request->env, proxies[i], value);
	}
}

static void request_release(struct container_request *request)
{
	/* The sources are ours; the request only borrows them. */
	array_foreach(mount, &request->mounts)
		free((char *)mount->source);
	container_request_release(request);
}

/* The last line that says something. */
static const char *last_line(const char *tail)
{
	const char *newline = strrchr(tail, '\n');

	return newline ? newline + 1 : tail;
}

static int report_failure(const struct build_phases *phases, const struct phase_info *info,
                          const struct phase_result *result, struct error *err)
{
	if (result->exit_code == EXIT_NOT_DETECTED || result->exit_code == EXIT_DETECT_BROKEN)
		error_set(err, ERR_FAILED, "%s: no buildpack of %s can build %s", info->name,
		          phases->request->builder, phases->request->source);
	else if (result->complaint)
		error_set(err, ERR_FAILED, "%s: %s%s%s", info->name, result->complaint,
		          *result->tail ? ": " : "", last_line(result->tail));
	else
		error_set(err, ERR_FAILED, "%s: the %s ended with exit code %d%s%s", info->name,
		          info->program, result->exit_code, *result->tail ? ": " : "",
		          last_line(result->tail));
	/* The output itself was told line by line as log events. */
	return error_hint(err, "its output is above; `locald build` shows it again");
}

static int run_one(const struct build_phases *phases, struct phase_runner *runner,
                   const struct phase_info *info, struct error *err)
{
	cleanup_free char *user =
		xasprintf("%u:%u", (unsigned)phases->owner->uid, (unsigned)phases->owner->gid);
	cleanup(request_release) struct container_request request = {
		.store = phases->store,
		.image = phases->builder,
		.cwd = "/layers",
		.user = user,
	};
	cleanup(phase_result_release) struct phase_result result = {0};
	int64_t begin = clock_mono_ms();

	cnb_progress(phases->events, info->name, "%s", info->program);
	add_mounts(phases, info->mounts, &request);
	add_args(phases, info, &request);
	add_env(phases, info, &request);
	if (phase_run(runner, info->name, &request, &result, err) < 0)
		return err->code == ERR_INTERRUPTED ? -1 : error_wrap(err, "%s", info->name);
	if (result.exit_code != 0)
		return report_failure(phases, info, &result, err);
	cnb_done(phases->events, info->name, clock_mono_ms() - begin);
	return 0;
}

int build_phases_run(const struct build_phases *phases, struct phase_runner *runner,
                     struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(infos); i++)
		if (run_one(phases, runner, &infos[i], err) < 0)
			return -1;
	return 0;
}
