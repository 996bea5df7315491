#include "net/listen.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG         1024
#define FREE_PORT_TRIES 32

static int bind_tcp(int sock, const struct sockaddr *addr, socklen_t len)
{
	int on = 1;

	/* Connections of a listener before us may still be in TIME_WAIT. */
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(sock, addr, len);
}

/* -1 with errno. */
static int bind_ipv4(int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	cleanup_close int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0 || bind_tcp(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return take_fd(sock);
}

static int bind_ipv6(int port)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	cleanup_close int sock = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (sock < 0 || setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
	    bind_tcp(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return take_fd(sock);
}

static int port_of(int sock)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	if (getsockname(sock, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	return ntohs(addr.sin_port);
}

/* -1 with errno. */
static int bind_port(int port, struct listen_loopback *ret)
{
	cleanup_close int ipv4 = bind_ipv4(port);
	int chosen = ipv4 < 0 ? -1 : port_of(ipv4);
	int ipv6;

	if (chosen < 0)
		return -1;
	ipv6 = bind_ipv6(chosen);
	/* No IPv6 on this machine, or only its loopback address missing, is no reason to fail. */
	if (ipv6 < 0 && errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return -1;
	*ret = (struct listen_loopback){.port = chosen, .ipv4 = take_fd(ipv4), .ipv6 = ipv6};
	return 0;
}

static int begin(const struct listen_loopback *bound)
{
	return listen(bound->ipv4, BACKLOG) < 0 ||
	                       (bound->ipv6 >= 0 && listen(bound->ipv6, BACKLOG) < 0)
	               ? -1
	               : 0;
}

/* -1 with errno. */
static int try_port(int port, struct listen_loopback *ret)
{
	struct listen_loopback bound;
	int why;

	if (bind_port(port, &bound) < 0)
		return -1;
	if (begin(&bound) == 0) {
		*ret = bound;
		return 0;
	}
	why = errno;
	listen_loopback_close(&bound);
	errno = why;
	return -1;
}

int listen_loopback_bind(int port, struct listen_loopback *ret, struct error *err)
{
	struct listen_loopback bound;

	if (bind_port(port, &bound) < 0)
		return error_errno(err, errno, "port %d", port);
	*ret = bound;
	return 0;
}

int listen_loopback_begin(const struct listen_loopback *bound, struct error *err)
{
	return begin(bound) < 0 ? error_errno(err, errno, "port %d", bound->port) : 0;
}

int listen_loopback(const int *ports, size_t count, struct listen_loopback *ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf tried = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		/* A port that is free for IPv4 may be taken for IPv6: ask for another. */
		int tries = ports[i] == 0 ? FREE_PORT_TRIES : 1;

		while (tries-- > 0) {
			if (try_port(ports[i], ret) == 0)
				return 0;
			if (errno != EADDRINUSE && errno != EACCES)
				return error_errno(err, errno, "listen on port %d", ports[i]);
		}
		strbuf_addf(&tried, "%s%d", tried.len ? ", " : "", ports[i]);
	}
	return error_set(err, EADDRINUSE, "no port to listen on: tried %s", tried.buf);
}

/* AF_INET or AF_INET6 when it is a TCP socket that listens, else -1. */
static int listening_family(int sock)
{
	int domain, is_listening;
	socklen_t len = sizeof(domain);

	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 || !is_listening)
		return -1;
	return domain == AF_INET || domain == AF_INET6 ? domain : -1;
}

int listen_loopback_take(int *fds, size_t count, struct listen_loopback *ret, struct error *err)
{
	struct listen_loopback taken = {.ipv4 = -1, .ipv6 = -1};

	for (size_t i = 0; i < count; i++) {
		int family = listening_family(fds[i]);

		if (family == AF_INET && taken.ipv4 < 0)
			taken.ipv4 = take_fd(fds[i]);
		else if (family == AF_INET6 && taken.ipv6 < 0)
			taken.ipv6 = take_fd(fds[i]);
		else
			close(take_fd(fds[i]));
	}
	taken.port = taken.ipv4 < 0 ? -1 : port_of(taken.ipv4);
	if (taken.port < 0) {
		listen_loopback_close(&taken);
		return error_set(err, EBADF, "no socket among them that listens on 127.0.0.1");
	}
	*ret = taken;
	return 0;
}

void listen_loopback_close(struct listen_loopback *listening)
{
	close_fd(&listening->ipv4);
	close_fd(&listening->ipv6);
	listening->ipv4 = listening->ipv6 = -1;
}

/* --- unix sockets --- */

/* A path that fits sun_path: itself, or through /proc when it is too long. */
static int short_path(const char *path, int dirfd, struct sockaddr_un *addr, struct error *err)
{
	int len = strlen(path) < sizeof(addr->sun_path)
	                  ? snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", path)
	                  : snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s",
	                             dirfd, path_base(path));

	addr->sun_family = AF_UNIX;
	if (len >= (int)sizeof(addr->sun_path))
		return error_set(err, ENAMETOOLONG, "socket name too long: %s", path_base(path));
	return 0;
}

static int open_dir_of(const char *path, struct error *err)
{
	cleanup_free char *dir = path_dir(path);
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "open %s", dir);
	return fd;
}

static int remove_old_socket(int dirfd, const char *path, struct error *err)
{
	const char *name = path_base(path);
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "look at %s", path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return error_set(err, EEXIST, "%s is in the way and is not a socket of ours", path);
	if (unlinkat(dirfd, name, 0) < 0)
		return error_errno(err, errno, "remove %s", path);
	return 0;
}

static int listen_at(const char *path, int type, struct error *err)
{
	cleanup_free char *dir = path_dir(path);
	cleanup_close int dirfd = -1, sock = -1;
	struct sockaddr_un addr = {0};
	mode_t mask;
	int rc;

	if (fs_mkdirs_private(dir, err) < 0)
		return -1;
	dirfd = open_dir_of(path, err);
	if (dirfd < 0 || short_path(path, dirfd, &addr, err) < 0 ||
	    remove_old_socket(dirfd, path, err) < 0)
		return -1;
	sock = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return error_errno(err, errno, "socket");
	mask = umask(0177);
	rc = bind(sock, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (rc < 0 || listen(sock, BACKLOG) < 0)
		return error_errno(err, errno, "listen on %s", path);
	return take_fd(sock);
}

static int connect_to(const char *path, int type, struct error *err)
{
	cleanup_close int dirfd = open_dir_of(path, err), sock = -1;
	struct sockaddr_un addr = {0};

	if (dirfd < 0 || short_path(path, dirfd, &addr, err) < 0)
		return -1;
	sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return error_errno(err, errno, "socket");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, errno, "connect to %s", path);
	return take_fd(sock);
}

int listen_unix(const char *path, struct error *err)
{
	return listen_at(path, SOCK_STREAM, err);
}

int listen_unix_packets(const char *path, struct error *err)
{
	return listen_at(path, SOCK_SEQPACKET, err);
}

int listen_unix_connect(const char *path, struct error *err)
{
	return connect_to(path, SOCK_STREAM, err);
}

int listen_unix_packets_connect(const char *path, struct error *err)
{
	return connect_to(path, SOCK_SEQPACKET, err);
}

bool listen_unix_peer(int fd, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	/* For a TCP socket Linux answers with ids of -1. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid == (uid_t)-1)
		return false;
	*uid = cred.uid;
	*pid = cred.pid;
	return true;
}
