#include "shim/state.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define NAME "start"

/* A path of any length through the directory's descriptor: sun_path has 108 bytes. */
static struct sockaddr_un address(const struct state *state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NAME, state->dir);
	return addr;
}

int state_listen_start(const struct state *state, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(state);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(state->dir, NAME, 0600, 0) < 0 || listen(sock, 1) < 0)
		return error_errno(err, errno, "make the start socket");
	return take_fd(sock);
}

int state_connect_start(const struct state *state, struct error *err)
{
	cleanup_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = address(state);

	if (sock < 0)
		return error_errno(err, errno, "socket");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, errno, "container `%s` does not wait for its start",
		                   state->id);
	return take_fd(sock);
}

bool state_is_waiting(const struct state *state)
{
	return faccessat(state->dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void state_remove_start(const struct state *state)
{
	unlinkat(state->dir, NAME, 0);
}
