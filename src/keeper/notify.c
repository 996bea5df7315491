#include "keeper/notify.h"

#include "base/error.h"
#include "base/str.h"
#include "keeper/protocol.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A day: what is longer is as good as no limit. */
#define TIME_MAX_US INT64_C(86400000000)

static bool is_key(const char *line, size_t len, const char *key)
{
	return len >= strlen(key) && memcmp(line, key, strlen(key)) == 0;
}

static bool read_us(const char *line, size_t len, const char *key, uint64_t *ret)
{
	int64_t value = keeper_line_int(line, len, key, -1);

	if (value < 0)
		return false;
	*ret = (uint64_t)(value < TIME_MAX_US ? value : TIME_MAX_US);
	return true;
}

static void parse_line(const char *line, size_t len, struct notify_message *message)
{
	uint64_t us;

	if (len == strlen("READY=1") && is_key(line, len, "READY=1"))
		message->is_ready = true;
	else if (len == strlen("STOPPING=1") && is_key(line, len, "STOPPING=1"))
		message->is_stopping = true;
	else if (len == strlen("WATCHDOG=1") && is_key(line, len, "WATCHDOG=1"))
		message->watchdog = WATCHDOG_FED;
	else if (len == strlen("WATCHDOG=trigger") && is_key(line, len, "WATCHDOG=trigger"))
		message->watchdog = WATCHDOG_TRIGGERED;
	else if (is_key(line, len, "MAINPID="))
		message->has_main_pid = true;
	else if (is_key(line, len, "STATUS=")) {
		message->text = line + strlen("STATUS=");
		message->text_len = len - strlen("STATUS=");
	} else if (read_us(line, len, "WATCHDOG_USEC", &us)) {
		message->has_watchdog_us = true;
		message->watchdog_us = us;
	} else if (read_us(line, len, "EXTEND_TIMEOUT_USEC", &us)) {
		message->has_extend_us = true;
		message->extend_us = us;
	}
}

void notify_parse(const char *data, size_t len, struct notify_message *ret)
{
	const char *end = data + len;

	*ret = (struct notify_message){0};
	for (const char *line = data; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		parse_line(line, (size_t)(stop - line), ret);
		line = stop + 1;
	}
}

int notify_open(const char *path, mode_t mode, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	int on = 1;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return error_set(err, ENAMETOOLONG, "%s is too long for a socket", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "socket");
	(void)unlink(path);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, mode) < 0)
		return error_errno(err, errno, "%s", path);
	return take_fd(fd);
}

union notify_control {
	char buf[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(253 * sizeof(int))];
	struct cmsghdr align;
};

static void close_passed(const struct cmsghdr *cmsg)
{
	size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		close(fd);
	}
}

ssize_t notify_receive(int fd, char data[NOTIFY_MESSAGE_MAX], struct notify_sender *ret_sender)
{
	union notify_control control;
	struct iovec iov = {.iov_base = data, .iov_len = NOTIFY_MESSAGE_MAX};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control.buf,
	                     .msg_controllen = sizeof(control.buf)};
	struct ucred who = {.uid = (uid_t)-1};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_RIGHTS)
			close_passed(cmsg);
		else if (cmsg->cmsg_type == SCM_CREDENTIALS)
			memcpy(&who, CMSG_DATA(cmsg), sizeof(who));
	}
	*ret_sender = (struct notify_sender){who.pid, who.uid};
	return msg.msg_flags & MSG_TRUNC ? 0 : n;
}
