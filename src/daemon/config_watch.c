#include "daemon/config_watch.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/file_watch.h"
#include "loop/loop.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET_MS     100
#define QUIET_MAX_MS 500 /* somebody who never stops writing is read all the same */
#define POLL_MS      500
#define LINKS_DEEP   16

/* A folder and the names in it that matter. */
struct spot {
	char *dir;
	struct strv names;
	uint32_t events;
	struct watched_folder *folder;
	struct config_watch *watch;
};

struct config_watch {
	struct loop *loop;
	struct file_watch *files;
	char *root_parent;
	const struct config_watch_events *events;
	void *data;
	struct strv paths;
	ARRAY(struct spot *) spots;
	struct loop_source *timer, *poll_timer;
	int64_t first_ms; /* of the changes that the timer waits for; 0: none */
	struct error no_watch;
	uint64_t seen; /* state of the files when they were last polled */
};

/* --- being told --- */

void config_watch_poke(struct config_watch *watch)
{
	int64_t now = clock_mono_ms();

	if (watch->first_ms == 0)
		watch->first_ms = now;
	loop_timer_set(watch->timer,
	               now - watch->first_ms > QUIET_MAX_MS - QUIET_MS ? 0 : QUIET_MS);
}

static void on_quiet(struct loop_source *source, void *data)
{
	struct config_watch *watch = data;

	watch->first_ms = 0;
	watch->events->on_quiet(watch->data);
}

static void on_event(struct watched_folder *folder, const char *name, uint32_t events, void *data)
{
	const struct spot *spot = data;
	struct config_watch *watch = spot->watch;

	if (name && !strv_has(&spot->names, name))
		return;
	config_watch_poke(watch);
	watch->events->on_event(watch->data);
}

/* --- which folders --- */

static struct spot *spot_of(struct config_watch *watch, const char *dir)
{
	struct spot *spot;

	array_foreach(known, &watch->spots)
		if (str_eq((*known)->dir, dir))
			return *known;
	spot = xcalloc(1, sizeof(*spot));
	spot->dir = xstrdup(dir);
	spot->watch = watch;
	*array_add(&watch->spots) = spot;
	return spot;
}

static void add_name(struct config_watch *watch, const char *dir, const char *name, bool is_there)
{
	struct spot *spot = spot_of(watch, dir);

	if (!strv_has(&spot->names, name))
		strv_add(&spot->names, name);
	/* Of a busy folder such as the home only what is needed is asked for. */
	spot->events |= is_there ? FILE_WATCH_CONTENT : FILE_WATCH_ARRIVAL;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || str_eq(dir, "/"));
}

/* The folder from which on every part of the path is watched: it is there. */
static char *first_folder(const struct config_watch *watch, const char *path)
{
	char *dir =
		is_below(path, watch->root_parent) ? xstrdup(watch->root_parent) : path_dir(path);

	while (!fs_is_dir(dir) && !str_eq(dir, "/")) {
		char *parent = path_dir(dir);

		free(dir);
		dir = parent;
	}
	return dir;
}

static void add_path(struct config_watch *watch, const char *path, int deep);

static void add_target(struct config_watch *watch, const char *dir, const char *link, int deep)
{
	char target[PATH_MAX];
	ssize_t len = readlink(link, target, sizeof(target) - 1);
	cleanup_free char *path = NULL;

	if (len <= 0 || deep >= LINKS_DEEP)
		return;
	target[len] = '\0';
	path = path_absolute(dir, target);
	add_path(watch, path, deep + 1);
}

static void add_path(struct config_watch *watch, const char *path, int deep)
{
	char *dir = first_folder(watch, path);
	const char *rest = path + strlen(dir);

	while (true) {
		cleanup_free char *name = NULL;
		char *full;
		struct stat st;
		bool is_there;

		rest += strspn(rest, "/");
		if (!*rest)
			break;
		name = xstrndup(rest, strcspn(rest, "/"));
		rest += strlen(name);
		full = path_join(dir, name);
		is_there = lstat(full, &st) == 0;
		add_name(watch, dir, name, is_there);
		if (is_there && S_ISLNK(st.st_mode))
			add_target(watch, dir, full, deep);
		free(dir);
		dir = full;
		if (!fs_is_dir(dir))
			break;
	}
	free(dir);
}

static void free_spots(struct spot **spots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		watched_folder_free(spots[i]->folder);
		strv_release(&spots[i]->names);
		free(spots[i]->dir);
		free(spots[i]);
	}
	free(spots);
}

static int watch_spots(struct config_watch *watch, struct error *err)
{
	if (!watch->files)
		return error_set(err, ERR_FAILED, "no inotify descriptor is left");
	array_foreach(spot, &watch->spots) {
		(*spot)->folder = file_watch_add(watch->files, (*spot)->dir, (*spot)->events,
		                                 on_event, *spot, err);
		if (!(*spot)->folder)
			return -1;
	}
	return 0;
}

/* --- looking --- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	/* FNV-1a, a word at a time: only difference matters. */
	return (hash ^ value) * 1099511628211u;
}

static uint64_t state_of(const struct config_watch *watch)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < watch->paths.len; i++) {
		struct stat st = {0};

		if (stat(watch->paths.items[i], &st) < 0)
			memset(&st, 0, sizeof(st));
		hash = mix(hash, st.st_ino);
		hash = mix(hash, (uint64_t)st.st_size);
		hash = mix(hash, (uint64_t)st.st_mtim.tv_sec);
		hash = mix(hash, (uint64_t)st.st_mtim.tv_nsec);
		hash = mix(hash, (uint64_t)st.st_ctim.tv_nsec);
	}
	return hash;
}

static void on_poll(struct loop_source *source, void *data)
{
	struct config_watch *watch = data;
	uint64_t now = state_of(watch);

	loop_timer_set(watch->poll_timer, POLL_MS);
	if (now == watch->seen)
		return;
	watch->seen = now;
	config_watch_poke(watch);
}

/* --- life --- */

void config_watch_set(struct config_watch *watch, const struct strv *paths)
{
	struct spot **old = watch->spots.items;
	size_t old_count = watch->spots.len;

	strv_release(&watch->paths);
	strv_copy(&watch->paths, paths);
	watch->spots.items = NULL;
	watch->spots.len = watch->spots.cap = 0;
	for (size_t i = 0; i < paths->len; i++)
		add_path(watch, paths->items[i], 0);
	error_release(&watch->no_watch);
	if (watch_spots(watch, &watch->no_watch) == 0) {
		loop_timer_set(watch->poll_timer, -1);
	} else {
		watch->seen = state_of(watch);
		loop_timer_set(watch->poll_timer, POLL_MS);
	}
	/* Last, so that a folder that stays is watched all the time. */
	free_spots(old, old_count);
}

const char *config_watch_polls_because(const struct config_watch *watch)
{
	return watch->no_watch.code ? watch->no_watch.text : NULL;
}

struct config_watch *config_watch_new(struct loop *loop, struct file_watch *files, const char *root,
                                      const struct config_watch_events *events, void *data)
{
	struct config_watch *watch = xcalloc(1, sizeof(*watch));

	watch->loop = loop;
	watch->files = files;
	watch->root_parent = path_dir(root);
	watch->events = events;
	watch->data = data;
	watch->timer = loop_add_timer(loop, -1, on_quiet, watch);
	watch->poll_timer = loop_add_timer(loop, -1, on_poll, watch);
	return watch;
}

void config_watch_free(struct config_watch *watch)
{
	if (!watch)
		return;
	free_spots(watch->spots.items, watch->spots.len);
	loop_source_free(watch->timer);
	loop_source_free(watch->poll_timer);
	strv_release(&watch->paths);
	error_release(&watch->no_watch);
	free(watch->root_parent);
	free(watch);
}
