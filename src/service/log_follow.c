#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "service/log_reader.h"

#include <errno.h>
#include <sys/inotify.h>

struct log_watch {
	int fd;
};

struct log_watch *log_watch_new(struct error *err)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct log_watch *watch;

	if (fd < 0) {
		error_errno(err, errno, "inotify");
		return NULL;
	}
	watch = xcalloc(1, sizeof(*watch));
	watch->fd = fd;
	return watch;
}

void log_watch_free(struct log_watch *watch)
{
	if (!watch)
		return;
	close(watch->fd);
	free(watch);
}

int log_watch_add(struct log_watch *watch, const char *log_dir, struct error *err)
{
	if (fs_mkdirs_private(log_dir, err) < 0)
		return -1;
	if (inotify_add_watch(watch->fd, log_dir, IN_MODIFY | IN_CREATE | IN_ONLYDIR) < 0)
		return error_errno(err, errno, "watch %s", log_dir);
	return 0;
}

int log_watch_fd(const struct log_watch *watch)
{
	return watch->fd;
}

void log_watch_clear(struct log_watch *watch)
{
	char buf[4096];

	while (read(watch->fd, buf, sizeof(buf)) > 0)
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
