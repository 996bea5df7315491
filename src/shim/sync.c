#include "shim/sync.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#define HEAD_SIZE offsetof(struct sync_message, text)

int sync_send_fd(int sock, enum sync_kind kind, int fd, struct error *err)
{
	const struct sync_message message = {.kind = kind};

	return fd_send_message(sock, &message, HEAD_SIZE, &fd, fd >= 0 ? 1 : 0, err);
}

int sync_send(int sock, enum sync_kind kind, struct error *err)
{
	return sync_send_fd(sock, kind, -1, err);
}

int sync_send_pid(int sock, pid_t pid, struct error *err)
{
	const struct sync_message message = {.kind = SYNC_CLONED, .code = pid};

	return fd_send_message(sock, &message, HEAD_SIZE, NULL, 0, err);
}

void sync_send_failure(int sock, const struct error *failure)
{
	struct sync_message message = {.kind = SYNC_FAILED, .code = failure->code};
	ssize_t sent;

	str_copy(message.text, sizeof(message.text), failure->text ? failure->text : "");
	str_copy(message.hint, sizeof(message.hint), failure->hint ? failure->hint : "");
	do
		sent = send(sock, &message, sizeof(message), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
}

static int receive(int sock, struct sync_message *message, int *ret_fd, struct error *err)
{
	int fds[FD_PASS_MAX];
	size_t nfds = 0;
	ssize_t len = fd_receive_message(sock, message, sizeof(*message), fds, &nfds, err);

	/* The peer is gone with our message unread; its own last one comes after that. */
	if (len < 0 && err->code == ECONNRESET) {
		error_release(err);
		len = fd_receive_message(sock, message, sizeof(*message), fds, &nfds, err);
	}
	for (size_t i = ret_fd ? 1 : 0; i < nfds; i++)
		close(fds[i]);
	if (ret_fd)
		*ret_fd = nfds > 0 ? fds[0] : -1;
	if (len < 0)
		return -1;
	if (len == 0)
		return SYNC_END;
	if ((size_t)len < HEAD_SIZE)
		return error_set(err, EPROTO, "the container's process sent %zd bytes", len);
	return message->kind;
}

static int receive_checked(int sock, struct sync_message *message, int *ret_fd, struct error *err)
{
	int kind = receive(sock, message, ret_fd, err);

	if (kind != SYNC_FAILED)
		return kind;
	message->text[sizeof(message->text) - 1] = '\0';
	message->hint[sizeof(message->hint) - 1] = '\0';
	error_set(err, message->code, "%s", message->text);
	if (message->hint[0])
		error_hint(err, "%s", message->hint);
	return -1;
}

int sync_receive(int sock, int *ret_fd, struct error *err)
{
	struct sync_message message = {0};

	return receive_checked(sock, &message, ret_fd, err);
}

int sync_expect(int sock, enum sync_kind kind, struct error *err)
{
	struct sync_message message = {0};
	int got = receive_checked(sock, &message, NULL, err);

	if (got < 0)
		return -1;
	if (got == SYNC_END)
		return error_set(err, EPIPE, "the other side ended unexpectedly");
	if (got != (int)kind)
		return error_set(err, EPROTO, "expected message %d, got %d", kind, got);
	return message.code;
}
