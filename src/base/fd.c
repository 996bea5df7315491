#include "base/fd.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define COPY_CHUNK (1 << 30)

int fd_write_all(int fd, const void *data, size_t len, struct error *err)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "write");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_exact(int fd, void *data, size_t len, struct error *err)
{
	char *at = data;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read");
		if (n == 0)
			return error_set(err, EPIPE, "unexpected end of file");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_to_end(int fd, struct strbuf *out, size_t max, struct error *err)
{
	size_t start = out->len;

	for (;;) {
		ssize_t n;

		strbuf_grow(out, 16384);
		n = read(fd, out->buf + out->len, out->cap - out->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read");
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		out->buf[out->len] = '\0';
		if (out->len - start > max)
			return error_set(err, EFBIG, "more than %zu bytes", max);
	}
}

static int set_flag(int fd, int get, int set, int flag, bool on, struct error *err)
{
	int flags = fcntl(fd, get);

	if (flags < 0 || fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
		return error_errno(err, errno, "fcntl");
	return 0;
}

int fd_copy(int from, int to, struct error *err)
{
	bool can_share = true; /* copy_file_range(2) may share blocks, but not everywhere */

	for (;;) {
		ssize_t copied = can_share ? copy_file_range(from, NULL, to, NULL, COPY_CHUNK, 0)
		                           : sendfile(to, from, NULL, COPY_CHUNK);

		if (copied > 0 || (copied < 0 && errno == EINTR))
			continue;
		if (!can_share)
			return copied == 0 ? 0 : error_errno(err, errno, "copy");
		/* At the end too: some file systems say so from the start. */
		can_share = false;
	}
}

int fd_set_nonblock(int fd, bool on, struct error *err)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on, err);
}

int fd_set_cloexec(int fd, bool on, struct error *err)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on, err);
}

int fd_pipe(int fds[2], struct error *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe");
	return 0;
}

union fd_control {
	char buf[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int fd_send_message(int sock, const void *data, size_t len, const int *fds, size_t nfds,
                    struct error *err)
{
	union fd_control control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds > FD_PASS_MAX)
		return error_set(err, EINVAL, "too many descriptors in one message");
	if (nfds > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (n >= 0)
			return 0;
		if (errno != EINTR)
			return error_errno(err, errno, "send message");
	}
}

ssize_t fd_receive_message(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
                           size_t *ret_nfds, struct error *err)
{
	union fd_control control = {0};
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control.buf,
	                     .msg_controllen = sizeof(control.buf)};
	size_t nfds = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "receive message");
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), nfds * sizeof(int));
	}
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		return error_set(err, EMSGSIZE, "message larger than %zu bytes", size);
	}
	*ret_nfds = nfds;
	return n;
}

void fd_close_from(int first)
{
	/* Linux 5.9; the only failure left is a first beyond the range. */
	syscall(SYS_close_range, (unsigned)first, ~0U, 0U);
}
