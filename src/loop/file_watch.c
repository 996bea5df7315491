#include "loop/file_watch.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF)

struct watched_folder {
	struct file_watch *watch;
	int wd; /* -1: the kernel has dropped it */
	uint32_t events;
	file_watch_fn *fn; /* NULL: freed inside a callback */
	void *data;
};

/* One watch of the kernel and those who share it. */
struct shared {
	int wd;
	ARRAY(struct watched_folder *) users;
};

struct file_watch {
	int fd;
	struct loop_source *source;
	ARRAY(struct shared) all; /* by wd */
	ARRAY(struct watched_folder *) freed;
	bool is_telling;
};

/* Where wd is, or would be. */
static size_t place_of(const struct file_watch *watch, int wd)
{
	size_t low = 0, high = watch->all.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (watch->all.items[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct shared *find(struct file_watch *watch, int wd)
{
	size_t at = place_of(watch, wd);

	return at < watch->all.len && watch->all.items[at].wd == wd ? &watch->all.items[at] : NULL;
}

static struct shared *get(struct file_watch *watch, int wd)
{
	size_t at = place_of(watch, wd);

	if (at < watch->all.len && watch->all.items[at].wd == wd)
		return &watch->all.items[at];
	(void)array_add(&watch->all);
	memmove(&watch->all.items[at + 1], &watch->all.items[at],
	        (watch->all.len - at - 1) * sizeof(*watch->all.items));
	watch->all.items[at] = (struct shared){.wd = wd};
	return &watch->all.items[at];
}

static void drop(struct file_watch *watch, struct shared *shared)
{
	array_release(&shared->users);
	array_remove(&watch->all, shared);
}

static void leave(struct watched_folder *folder)
{
	struct file_watch *watch = folder->watch;
	struct shared *shared = folder->wd < 0 ? NULL : find(watch, folder->wd);

	if (!shared)
		return;
	array_foreach(user, &shared->users) {
		if (*user != folder)
			continue;
		array_remove(&shared->users, user);
		break;
	}
	if (shared->users.len > 0)
		return;
	(void)inotify_rm_watch(watch->fd, folder->wd);
	drop(watch, shared);
}

static void tell(struct watched_folder *folder, const char *name, uint32_t events)
{
	if (folder->fn && (!name || (events & folder->events)))
		folder->fn(folder, name, events, folder->data);
}

/* Callbacks may add and free: whatever they do, nobody is skipped or told twice. */
static void tell_all(struct file_watch *watch, int wd, const char *name, uint32_t events)
{
	struct shared *shared;

	for (size_t i = 0; (shared = find(watch, wd)) && i < shared->users.len; i++)
		tell(shared->users.items[i], name, events);
	if (!shared || !(events & IN_IGNORED))
		return;
	array_foreach(user, &shared->users)
		(*user)->wd = -1;
	drop(watch, shared);
}

static void tell_of_overflow(struct file_watch *watch)
{
	ARRAY(int) wds = {0};

	array_foreach(shared, &watch->all)
		*array_add(&wds) = shared->wd;
	array_foreach(wd, &wds)
		tell_all(watch, *wd, NULL, IN_Q_OVERFLOW);
	array_release(&wds);
}

static void bury(struct file_watch *watch)
{
	array_foreach(folder, &watch->freed) {
		leave(*folder);
		free(*folder);
	}
	watch->freed.len = 0;
}

static void on_event(struct file_watch *watch, const struct inotify_event *event)
{
	uint32_t gone = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED;

	watch->is_telling = true;
	if (event->mask & IN_Q_OVERFLOW)
		tell_of_overflow(watch);
	else
		tell_all(watch, event->wd,
		         (event->mask & gone) || event->len == 0 ? NULL : event->name, event->mask);
	watch->is_telling = false;
	bury(watch);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct file_watch *watch = data;
	_Alignas(struct inotify_event) char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	ssize_t len = read(fd, buf, sizeof(buf));
	const struct inotify_event *event;

	for (ssize_t at = 0; at < len; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(buf + at);
		on_event(watch, event);
	}
}

struct file_watch *file_watch_new(struct loop *loop, struct error *err)
{
	struct file_watch *watch = xcalloc(1, sizeof(*watch));

	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0)
		error_errno(err, errno, "inotify");
	else if (loop_add_fd(loop, watch->fd, LOOP_READ, on_readable, watch, &watch->source, err) ==
	         0)
		return watch;
	file_watch_free(watch);
	return NULL;
}

void file_watch_free(struct file_watch *watch)
{
	if (!watch)
		return;
	loop_source_free(watch->source);
	if (watch->fd >= 0)
		close(watch->fd);
	array_foreach(shared, &watch->all)
		array_release(&shared->users);
	array_release(&watch->all);
	array_release(&watch->freed);
	free(watch);
}

struct watched_folder *file_watch_add(struct file_watch *watch, const char *path, uint32_t events,
                                      file_watch_fn *fn, void *data, struct error *err)
{
	uint32_t mask = events | SELF_EVENTS | IN_ONLYDIR | IN_MASK_ADD;
	int wd = inotify_add_watch(watch->fd, path, mask);
	struct watched_folder *folder;

	if (wd < 0) {
		error_errno(err, errno, "watch %s", path);
		return NULL;
	}
	folder = xcalloc(1, sizeof(*folder));
	*folder = (struct watched_folder){watch, wd, events, fn, data};
	*array_add(&get(watch, wd)->users) = folder;
	return folder;
}

void watched_folder_free(struct watched_folder *folder)
{
	if (!folder)
		return;
	if (folder->watch->is_telling) {
		folder->fn = NULL;
		*array_add(&folder->watch->freed) = folder;
		return;
	}
	leave(folder);
	free(folder);
}
