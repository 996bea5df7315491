#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "service/log_reader.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#define POLL_S 1

struct log_watch {
	int fd; /* epoll(7) of the others, so that it is the same when the second is needed */
	int notify_fd, timer_fd; /* -1: none */
};

static int add_fd(struct log_watch *watch, int fd, struct error *err)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll_ctl(watch->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(err, errno, "watch logs");
	return 0;
}

/* Where the kernel has no more watches for us. */
static int poll_instead(struct log_watch *watch, struct error *err)
{
	struct itimerspec each = {{.tv_sec = POLL_S}, {.tv_sec = POLL_S}};

	if (watch->timer_fd >= 0)
		return 0;
	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer_fd < 0 || timerfd_settime(watch->timer_fd, 0, &each, NULL) < 0)
		return error_errno(err, errno, "look at logs each second");
	return add_fd(watch, watch->timer_fd, err);
}

static int open_watch(struct log_watch *watch, struct error *err)
{
	watch->fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch->fd < 0)
		return error_errno(err, errno, "watch logs");
	watch->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->notify_fd < 0)
		return poll_instead(watch, err);
	return add_fd(watch, watch->notify_fd, err);
}

struct log_watch *log_watch_new(struct error *err)
{
	struct log_watch *watch = xcalloc(1, sizeof(*watch));

	watch->fd = watch->notify_fd = watch->timer_fd = -1;
	if (open_watch(watch, err) == 0)
		return watch;
	log_watch_free(watch);
	return NULL;
}

void log_watch_free(struct log_watch *watch)
{
	if (!watch)
		return;
	close_fd(&watch->fd);
	close_fd(&watch->notify_fd);
	close_fd(&watch->timer_fd);
	free(watch);
}

static int add_path(struct log_watch *watch, const char *path, uint32_t mask, struct error *err)
{
	if (watch->notify_fd < 0 || inotify_add_watch(watch->notify_fd, path, mask) >= 0)
		return 0;
	if (errno == ENOSPC)
		return poll_instead(watch, err);
	return error_errno(err, errno, "watch %s", path);
}

int log_watch_add(struct log_watch *watch, const char *log_dir, struct error *err)
{
	if (fs_mkdirs_private(log_dir, err) < 0)
		return -1;
	return add_path(watch, log_dir, IN_MODIFY | IN_CREATE | IN_ONLYDIR, err);
}

int log_watch_add_file(struct log_watch *watch, const char *path, struct error *err)
{
	return add_path(watch, path, IN_MODIFY, err);
}

int log_watch_fd(const struct log_watch *watch)
{
	return watch->fd;
}

void log_watch_clear(struct log_watch *watch)
{
	char buf[4096];

	while (watch->notify_fd >= 0 && read(watch->notify_fd, buf, sizeof(buf)) > 0)
		continue;
	while (watch->timer_fd >= 0 && read(watch->timer_fd, buf, sizeof(buf)) > 0)
		continue;
}

struct head {
	struct log_cursor *cursor;
	size_t tag;
	bool has_entry;
	struct log_entry entry; /* valid until the cursor goes on */
};

struct log_merge {
	ARRAY(struct head) heads;
};

struct log_merge *log_merge_new(void)
{
	return xcalloc(1, sizeof(struct log_merge));
}

void log_merge_free(struct log_merge *merge)
{
	if (!merge)
		return;
	array_foreach(head, &merge->heads)
		log_cursor_free(head->cursor);
	array_release(&merge->heads);
	free(merge);
}

void log_merge_add(struct log_merge *merge, struct log_cursor *cursor, size_t tag)
{
	*array_add(&merge->heads) = (struct head){.cursor = cursor, .tag = tag};
}

/* By the clock that nobody sets, where both are of the same boot. */
static bool is_older(const struct log_entry *a, const struct log_entry *b)
{
	return a->boot == b->boot ? a->mono_ns < b->mono_ns : a->real_ns < b->real_ns;
}

int log_merge_next(struct log_merge *merge, struct log_entry *ret, size_t *ret_tag,
                   struct error *err)
{
	struct head *oldest = NULL;

	array_foreach(head, &merge->heads) {
		if (!head->has_entry) {
			int found = log_cursor_next(head->cursor, &head->entry, err);

			if (found < 0)
				return -1;
			head->has_entry = found > 0;
		}
		if (head->has_entry && (!oldest || is_older(&head->entry, &oldest->entry)))
			oldest = head;
	}
	if (!oldest)
		return 0;
	oldest->has_entry = false;
	*ret = oldest->entry;
	*ret_tag = oldest->tag;
	return 1;
}
