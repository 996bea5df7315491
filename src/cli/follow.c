#include "cli/follow.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "service/log_reader.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sys/epoll.h>

#define FLUSH_SIZE (64 * 1024)

/* --- services --- */

/* "web" is for web-2, too. */
static bool is_replica_of(const char *service, const char *name)
{
	size_t len = strlen(name);

	return strncmp(service, name, len) == 0 && service[len] == '-' && service[len + 1] &&
	       strspn(service + len + 1, "0123456789") == strlen(service + len + 1);
}

bool follow_is_chosen(const struct follow *follow, const char *service)
{
	for (size_t i = 0; i < follow->chosen.len; i++)
		if (str_eq(follow->chosen.items[i], service) ||
		    is_replica_of(service, follow->chosen.items[i]))
			return true;
	return follow->chosen.len == 0;
}

static int add(struct follow *follow, const char *service, bool from_end, struct error *err)
{
	cleanup_free char *dir = path_join(follow->dir, service);
	struct log_cursor *cursor;

	if (!follow_is_chosen(follow, service) || strv_has(&follow->shown, service))
		return 0;
	/* Watched before it is read, so that nothing falls between. */
	if (log_watch_add(follow->watch, dir, err) < 0)
		return -1;
	cursor = log_cursor_new(dir, err);
	if (!cursor)
		return -1;
	if (from_end && log_cursor_seek_last(cursor, 0, err) < 0) {
		log_cursor_free(cursor);
		return -1;
	}
	log_view_add_name(&follow->view, service);
	log_merge_add(follow->merge, cursor, follow->shown.len);
	strv_add(&follow->shown, service);
	return 0;
}

int follow_add(struct follow *follow, const char *service, struct error *err)
{
	return add(follow, service, false, err);
}

static int add_folders(struct follow *follow, struct error *err)
{
	cleanup(strv_release) struct strv names = STRV_INIT;
	DIR *stream = opendir(follow->dir);
	const struct dirent *entry;

	if (!stream)
		return 0; /* nothing of it was started yet */
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			strv_add(&names, entry->d_name);
	closedir(stream);
	strv_sort(&names);
	for (size_t i = 0; i < names.len; i++)
		if (add(follow, names.items[i], true, err) < 0)
			return -1;
	return 0;
}

/* --- keys --- */

/* Only who has the terminal may change it. */
static void open_terminal(struct follow *follow)
{
	struct termios settings;

	if (!follow->reads_keys || !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
	    tcgetattr(STDIN_FILENO, &follow->before) < 0)
		return;
	settings = follow->before;
	settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	follow->has_terminal = tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) == 0;
}

static int watch_fd(struct follow *follow, int fd, struct error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(follow->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(err, errno, "epoll");
	return 0;
}

int follow_open(struct follow *follow, struct error *err)
{
	follow->view = (struct log_view){.style = follow->cli->output.out,
	                                 .has_prefix = !follow->is_plain};
	follow->merge = log_merge_new();
	follow->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (follow->epoll_fd < 0)
		return error_errno(err, errno, "epoll");
	follow->watch = log_watch_new(err);
	if (!follow->watch || watch_fd(follow, log_watch_fd(follow->watch), err) < 0)
		return -1;
	open_terminal(follow);
	if (follow->has_terminal && watch_fd(follow, STDIN_FILENO, err) < 0)
		return -1;
	return add_folders(follow, err);
}

void follow_release(struct follow *follow)
{
	if (follow->has_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &follow->before);
	follow->has_terminal = false;
	log_watch_free(follow->watch);
	log_merge_free(follow->merge);
	log_view_release(&follow->view);
	strv_release(&follow->shown);
	strv_release(&follow->chosen);
	free(take_ptr(follow->dir));
	close_fd(&follow->epoll_fd);
	follow->epoll_fd = -1;
}

/* The key `d` detaches; the end of the input means nothing. */
static int read_keys(struct follow *follow, struct error *err)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0)
		epoll_ctl(follow->epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	for (ssize_t i = 0; i < n; i++)
		follow->is_detached |= keys[i] == 'd' || keys[i] == 'D';
	if (!follow->is_detached || follow->is_busy)
		return 0;
	return error_set(err, ERR_INTERRUPTED, "detached");
}

/* --- lines --- */

/* Each line to the stream that it was written to; a terminal gets no more than colours. */
static int show_plain(struct follow *follow, const struct log_entry *entry, struct strbuf *out,
                      struct error *err)
{
	struct output *output = &follow->cli->output;
	bool is_error = entry->stream == LOG_ERR;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (entry->kind != LOG_ENTRY_RECORD || entry->stream == LOG_EVENT)
		return 0;
	if (!isatty(is_error ? STDERR_FILENO : STDOUT_FILENO)) {
		strbuf_add(is_error ? &text : out, entry->data, entry->len);
	} else {
		log_line_safe(is_error ? &text : out, is_error ? &output->err : &output->out,
		              entry->data, entry->len);
		strbuf_addch(is_error ? &text : out, '\n');
	}
	if (!is_error)
		return 0;
	/* What was written before it is shown before it. */
	if (out->len > 0 && output_data(output, out, err) < 0)
		return -1;
	strbuf_reset(out);
	output_error(output, &text);
	return 0;
}

int follow_drain(struct follow *follow, struct error *err)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct log_entry entry;
	size_t tag;
	int got;

	while ((got = log_merge_next(follow->merge, &entry, &tag, err)) == 1) {
		if (!follow->is_plain)
			log_view_render(&follow->view, &entry, follow->shown.items[tag], &out);
		else if (show_plain(follow, &entry, &out, err) < 0)
			return -1;
		if (out.len < FLUSH_SIZE)
			continue;
		if (output_data(&follow->cli->output, &out, err) < 0)
			return -1;
		strbuf_reset(&out);
	}
	if (got < 0)
		return -1;
	return out.len > 0 ? output_data(&follow->cli->output, &out, err) : 0;
}

int follow_turn(void *data, struct error *err)
{
	struct follow *follow = data;
	struct epoll_event events[2];
	int n = epoll_wait(follow->epoll_fd, events, ARRAY_LEN(events), 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == STDIN_FILENO) {
			if (read_keys(follow, err) < 0)
				return -1;
			continue;
		}
		log_watch_clear(follow->watch);
		if (follow_drain(follow, err) < 0)
			return -1;
	}
	return 0;
}
