#include "lifecycle/detection.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "lifecycle/dirs.h"
#include "lifecycle/env.h"
#include "lifecycle/plan.h"
#include "lifecycle/platform.h"
#include "lifecycle/spawn.h"
#include "lifecycle/toml_file.h"

#include <errno.h>
#include <sys/mman.h>

#define OUTPUT_SHOWN_MAX (1024 * 1024)

/* A program that is running; its plan is in a directory of its own. */
struct running {
	size_t index; /* of its detection */
	pid_t pid;
	int out_fd;
	char *dir;
};

struct running_list {
	ARRAY(struct running) items;
};

static void running_release(struct running_list *list)
{
	array_foreach(running, &list->items) {
		close_fd(&running->out_fd);
		temp_dir_free(running->dir);
	}
	array_release(&list->items);
}

int detections_init(struct detections *detections, const struct platform *platform,
                    struct error *err)
{
	*detections = (struct detections){.platform = platform};
	env_pass_through(&detections->env, (const char *const *)environ);
	return target_read(platform, &detections->target, err);
}

void detections_release(struct detections *detections)
{
	array_foreach(detection, &detections->items) {
		buildpack_free(detection->buildpack);
		free(detection->output);
		json_decref(detection->plan);
	}
	array_release(&detections->items);
	target_release(&detections->target);
	strv_release(&detections->env);
}

struct detection *detections_get(struct detections *detections, const struct group_item *item,
                                 struct error *err)
{
	struct buildpack *buildpack;
	struct detection *detection;

	array_foreach(known, &detections->items)
		if (str_eq(known->buildpack->id, item->id) &&
		    str_eq(known->buildpack->version, item->version))
			return known;
	buildpack = buildpack_load(detections->platform->buildpacks, item->id, item->version, err);
	if (!buildpack)
		return NULL;
	detection = array_add(&detections->items);
	detection->buildpack = buildpack;
	return detection;
}

static int start(struct detections *detections, struct running *running, struct error *err)
{
	const struct buildpack *bp = detections->items.items[running->index].buildpack;
	const struct platform *platform = detections->platform;
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup_free char *program = path_join(bp->dir, "bin/detect");
	cleanup_free char *plan = NULL;
	const char *argv[] = {program, platform->platform_dir, NULL, NULL};

	running->dir = temp_dir_new(err);
	if (!running->dir)
		return -1;
	plan = path_join(running->dir, "plan.toml");
	if (fs_write_atomic(plan, "", 0, 0644, err) < 0)
		return -1;
	argv[2] = plan;
	running->out_fd = memfd_create("output", MFD_CLOEXEC);
	if (running->out_fd < 0)
		return error_errno(err, errno, "make a memory file");
	if (buildpack_env(platform, bp, &detections->target, &detections->env, &env, err) < 0)
		return -1;
	if (bp->api_minor >= 8)
		strv_env_set(&env, "CNB_BUILD_PLAN_PATH", plan);
	running->pid =
		spawn_start(&(struct spawn){argv, &env, platform->app, running->out_fd, -1}, err);
	return running->pid < 0 ? -1 : 0;
}

static char *read_output(int fd, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(OUTPUT_SHOWN_MAX);
	char chunk[8192];
	ssize_t got;

	/* What is beyond the limit is not shown. */
	for (off_t at = 0; !text.overflow; at += got) {
		got = pread(fd, chunk, sizeof(chunk), at);
		if (got < 0) {
			error_errno(err, errno, "read a memory file");
			return NULL;
		}
		if (got == 0)
			break;
		strbuf_add(&text, chunk, (size_t)got);
	}
	return strbuf_detach(&text);
}

/* A plan that cannot be used makes the buildpack's answer an error. */
static void take_plan(struct detection *detection, const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (toml_file_read_optional(path, &detection->plan, &err) == 0 &&
	    plan_check(detection->plan, &err) == 0)
		return;
	detection->code = DETECT_MISMATCH;
	free(detection->output);
	detection->output = xasprintf("%s\n", err.text);
}

static int finish(struct detections *detections, struct running *running, struct error *err)
{
	struct detection *detection = &detections->items.items[running->index];
	cleanup_free char *plan = path_join(running->dir, "plan.toml");

	detection->code = spawn_wait(running->pid, err);
	if (detection->code < 0)
		return -1;
	detection->has_run = true;
	detection->output = read_output(running->out_fd, err);
	if (!detection->output)
		return error_wrap(err, "output of %s", detection->buildpack->id);
	if (detection->code == DETECT_PASSED)
		take_plan(detection, plan);
	return 0;
}

static bool is_usable(struct detections *detections, struct detection *detection)
{
	if (detection->buildpack->api_minor < 10 ||
	    target_matches(&detections->target, detection->buildpack->targets))
		return true;
	detection->has_run = true;
	detection->code = DETECT_MISMATCH;
	detection->output =
		xasprintf("it is not for %s/%s\n", detections->target.os, detections->target.arch);
	return false;
}

int detections_run(struct detections *detections, const struct group *group, struct error *err)
{
	cleanup(running_release) struct running_list running = {0};
	int result = 0;

	array_foreach(item, &group->items) {
		struct detection *detection = detections_get(detections, item, err);
		struct running *next;

		if (!detection) {
			result = -1;
			break;
		}
		if (detection->has_run || !is_usable(detections, detection))
			continue;
		next = array_add(&running.items);
		*next = (struct running){.index = array_index(&detections->items, detection),
		                         .out_fd = -1};
		if (start(detections, next, err) < 0) {
			result = -1;
			break;
		}
	}
	/* Those that were started are waited for, whatever went wrong with the others. */
	array_foreach(child, &running.items)
		if (child->pid > 0 && finish(detections, child, err) < 0)
			result = -1;
	return result;
}
