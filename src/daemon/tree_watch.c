#include "daemon/tree_watch.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/glob.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/watch_rule.h"
#include "loop/file_watch.h"
#include "loop/loop.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define FOLDERS_MAX 8192  /* a user has 8192 watches on the smallest machines */
#define FILES_MAX   20000 /* that can be looked at each second */
#define DEPTH_MAX   64
#define POLL_MS     1000

struct folder {
	char *path;
	struct watched_folder *watched;
};

struct seen_file {
	char *path;
	uint64_t state;
};

struct seen_list {
	ARRAY(struct seen_file) items;
};

struct tree_watch {
	struct loop *loop;
	struct file_watch *files;
	const struct watch_rule *rule;
	tree_watch_fn *fn;
	void *data;
	ARRAY(struct folder) folders;
	struct loop_source *poll_timer;
	struct seen_list seen; /* when they were last looked at, by path */
	bool is_polling;
	struct error problem;
};

static void on_event(struct watched_folder *watched, const char *name, uint32_t events, void *data);

/* --- walking --- */

typedef void walk_fn(struct tree_watch *watch, const char *path, const struct stat *st);

/* Calls fn for each folder that may matter, before what is in it, and each file that matches. */
static void walk(struct tree_watch *watch, const char *path, int depth, walk_fn *fn)
{
	DIR *dir;
	struct dirent *entry;
	struct stat st;

	if (watch->problem.code == E2BIG || depth > DEPTH_MAX ||
	    !watch_rule_leads_to(watch->rule, path) || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	fn(watch, path, &st);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		cleanup_free char *full = NULL;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		full = path_join(path, entry->d_name);
		if (lstat(full, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			walk(watch, full, depth + 1, fn);
		else if (watch_rule_matches(watch->rule, full))
			fn(watch, full, &st);
	}
	closedir(dir);
}

/* From the folder of each pattern that is there, or the nearest above. */
static void walk_all(struct tree_watch *watch, walk_fn *fn)
{
	cleanup(strv_release) struct strv roots = STRV_INIT;

	for (size_t i = 0; i < watch->rule->patterns.len; i++) {
		char *root = glob_literal_folder(watch->rule->patterns.items[i]);

		while (!fs_is_dir(root) && !str_eq(root, "/")) {
			char *parent = path_dir(root);

			free(root);
			root = parent;
		}
		if (!strv_has(&roots, root))
			strv_add(&roots, root);
		free(root);
	}
	for (size_t i = 0; i < roots.len; i++)
		walk(watch, roots.items[i], 0, fn);
}

/* --- being told --- */

static void forget_folders(struct tree_watch *watch)
{
	array_foreach(folder, &watch->folders) {
		watched_folder_free(folder->watched);
		free(folder->path);
	}
	array_release(&watch->folders);
}

static bool is_watched(const struct tree_watch *watch, const char *path)
{
	array_foreach(folder, &watch->folders)
		if (str_eq(folder->path, path))
			return true;
	return false;
}

static void add_folder(struct tree_watch *watch, const char *path, const struct stat *st)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct watched_folder *watched;

	if (!S_ISDIR(st->st_mode) || watch->problem.code || is_watched(watch, path))
		return;
	if (watch->folders.len >= FOLDERS_MAX) {
		error_set(&watch->problem, ENOSPC, "more than %d folders", FOLDERS_MAX);
		return;
	}
	watched = file_watch_add(watch->files, path, FILE_WATCH_CONTENT & ~(uint32_t)IN_ATTRIB,
	                         on_event, watch, &err);
	if (watched)
		*array_add(&watch->folders) = (struct folder){xstrdup(path), watched};
	else if (err.code != ENOENT && err.code != EACCES && err.code != ENOTDIR)
		error_move(&watch->problem, &err);
}

static void add_folder_or_tell(struct tree_watch *watch, const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		add_folder(watch, path, st);
	else
		watch->fn(path, watch->data);
}

static void drop_below(struct tree_watch *watch, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = watch->folders.len; i-- > 0;) {
		struct folder *folder = &watch->folders.items[i];

		if (strncmp(folder->path, path, len) != 0 ||
		    (folder->path[len] && folder->path[len] != '/'))
			continue;
		watched_folder_free(folder->watched);
		free(folder->path);
		array_remove(&watch->folders, folder);
	}
}

/* --- looking --- */

static void note_file(struct tree_watch *watch, const char *path, const struct stat *st)
{
	struct seen_file *file;

	if (S_ISDIR(st->st_mode))
		return;
	if (watch->seen.items.len >= FILES_MAX) {
		error_set(&watch->problem, E2BIG,
		          "there are more than %d files, and the kernel has no more watches: %s",
		          FILES_MAX, "name fewer in `watch`");
		return;
	}
	file = array_add(&watch->seen.items);
	file->path = xstrdup(path);
	file->state = (uint64_t)st->st_ino * 31 + (uint64_t)st->st_size * 17 +
	              (uint64_t)st->st_mtim.tv_sec * 1000000007u + (uint64_t)st->st_mtim.tv_nsec;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct seen_file *)a)->path, ((const struct seen_file *)b)->path);
}

static void seen_release(struct seen_list *seen)
{
	array_foreach(file, &seen->items)
		free(file->path);
	array_release(&seen->items);
}

/* Both are sorted. */
static void tell_differences(struct tree_watch *watch, const struct seen_list *before)
{
	const struct seen_list *now = &watch->seen;
	size_t i = 0, j = 0;

	while (i < before->items.len || j < now->items.len) {
		const struct seen_file *old =
			i < before->items.len ? &before->items.items[i] : NULL;
		const struct seen_file *new = j < now->items.len ? &now->items.items[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);

		if (order != 0 || old->state != new->state)
			watch->fn(order > 0 ? new->path : old->path, watch->data);
		i += order <= 0;
		j += order >= 0;
	}
}

static void on_poll(struct loop_source *source, void *data)
{
	struct tree_watch *watch = data;
	struct seen_list before = watch->seen;

	watch->seen = (struct seen_list){0};
	walk_all(watch, note_file);
	array_sort(&watch->seen.items, by_path);
	if (watch->problem.code != E2BIG) {
		tell_differences(watch, &before);
		loop_timer_set(watch->poll_timer, POLL_MS);
	}
	seen_release(&before);
}

static void begin_polling(struct tree_watch *watch)
{
	watch->is_polling = true;
	forget_folders(watch);
	walk_all(watch, note_file);
	array_sort(&watch->seen.items, by_path);
	loop_timer_set(watch->poll_timer, watch->problem.code == E2BIG ? -1 : POLL_MS);
}

/* --- events --- */

/* Something that can only be understood by looking at all of it. */
static void begin_again(struct tree_watch *watch)
{
	forget_folders(watch);
	walk_all(watch, add_folder);
}

static void on_event(struct watched_folder *watched, const char *name, uint32_t events, void *data)
{
	struct tree_watch *watch = data;
	cleanup_free char *folder = NULL, *path = NULL;

	array_foreach(known, &watch->folders)
		if (known->watched == watched)
			folder = xstrdup(known->path);
	if (!folder)
		return;
	path = name ? path_join(folder, name) : NULL;
	if (!path)
		begin_again(watch);
	else if (!(events & IN_ISDIR) && watch_rule_matches(watch->rule, path))
		watch->fn(path, watch->data);
	else if ((events & IN_ISDIR) && (events & (IN_MOVED_FROM | IN_DELETE)))
		drop_below(watch, path);
	else if ((events & IN_ISDIR) && (events & FILE_WATCH_ARRIVAL))
		walk(watch, path, 0, add_folder_or_tell);
	if (watch->problem.code && !watch->is_polling)
		begin_polling(watch);
}

/* --- life --- */

struct tree_watch *tree_watch_new(struct loop *loop, struct file_watch *files,
                                  const struct watch_rule *rule, tree_watch_fn *fn, void *data)
{
	struct tree_watch *watch = xcalloc(1, sizeof(*watch));

	watch->loop = loop;
	watch->files = files;
	watch->rule = rule;
	watch->fn = fn;
	watch->data = data;
	watch->poll_timer = loop_add_timer(loop, -1, on_poll, watch);
	if (files)
		walk_all(watch, add_folder);
	else
		error_set(&watch->problem, ERR_FAILED, "no inotify descriptor is left");
	if (watch->problem.code)
		begin_polling(watch);
	return watch;
}

void tree_watch_free(struct tree_watch *watch)
{
	if (!watch)
		return;
	forget_folders(watch);
	seen_release(&watch->seen);
	loop_source_free(watch->poll_timer);
	error_release(&watch->problem);
	free(watch);
}

const char *tree_watch_problem(const struct tree_watch *watch)
{
	return watch->problem.code ? watch->problem.text : NULL;
}
