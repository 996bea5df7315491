#include "shim/inside.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* 1 when it is not ours, 0 when it is. */
static int is_other(pid_t pid, const char *name, struct error *err)
{
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (stat(path, &own) < 0)
		return error_errno(err, errno, "%s", path);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	if (stat(path, &its) < 0)
		return error_errno(err, errno, "look at the %s namespace of the container", name);
	return own.st_ino != its.st_ino;
}

int inside_enter_network(pid_t pid, int pidfd, struct error *err)
{
	int has_user = is_other(pid, "user", err);
	int has_net = has_user < 0 ? -1 : is_other(pid, "net", err);

	if (has_net < 0)
		return -1;
	if (!has_net)
		return error_set(err, EINVAL, "it has the host's network");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "PR_SET_DUMPABLE");
	if (setns(pidfd, CLONE_NEWNET | (has_user ? CLONE_NEWUSER : 0)) < 0)
		return error_errno(err, errno, "enter it");
	return 0;
}

int inside_prepare_socket(int sock)
{
	int on = 1;

	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -1;
	return 0;
}

int inside_socket(struct error *err)
{
	cleanup_close int sock = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int off = 0;

	if (sock < 0 && errno == EAFNOSUPPORT)
		sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	else if (sock >= 0 && setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return error_errno(err, errno, "IPV6_V6ONLY");
	if (sock < 0 || inside_prepare_socket(sock) < 0)
		return error_errno(err, errno, "make a socket inside the container");
	return take_fd(sock);
}
