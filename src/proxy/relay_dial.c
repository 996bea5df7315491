#include "proxy/relay_dial.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct relay_dial {
	struct relay_dials *dials;
	struct relay_dial *next, **link;
	int sock;
	struct loop_source *source;
	relay_dial_fn *fn;
	void *data;
};

static void dial_free(struct relay_dial *dial)
{
	*dial->link = dial->next;
	if (dial->next)
		dial->next->link = dial->link;
	loop_source_free(dial->source);
	close_fd(&dial->sock);
	free(dial);
}

static void finish(struct relay_dial *dial, bool is_connected)
{
	relay_dial_fn *fn = dial->fn;
	void *data = dial->data;
	int sock = is_connected ? take_fd(dial->sock) : -1;

	dial_free(dial);
	fn(sock, data);
}

static int family_of(int sock)
{
	int domain = AF_INET;
	socklen_t len = sizeof(domain);

	/* It was made by us or by the shim: a failure here is one of the connect below, too. */
	(void)getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain;
}

static int connect_to(int sock, int port, bool ipv6)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET,
	                               .sin_port = htons((uint16_t)port),
	                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
	                          .sin6_port = htons((uint16_t)port),
	                          .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	if (family_of(sock) == AF_INET) {
		errno = EAFNOSUPPORT;
		return ipv6 ? -1 : connect(sock, (const struct sockaddr *)&v4, sizeof(v4));
	}
	/* ::ffff:127.0.0.1 */
	if (!ipv6) {
		v6.sin6_addr = in6addr_any;
		v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
		v6.sin6_addr.s6_addr[12] = 127;
		v6.sin6_addr.s6_addr[15] = 1;
	}
	return connect(sock, (const struct sockaddr *)&v6, sizeof(v6));
}

static void on_writable(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct relay_dial *dial = data;
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	finish(dial, error == 0);
}

void relay_dial_start(struct relay_dials *dials, int sock, int port, bool ipv6, relay_dial_fn *fn,
                      void *data)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct relay_dial *dial = xcalloc(1, sizeof(*dial));

	*dial = (struct relay_dial){.dials = dials,
	                            .next = dials->first,
	                            .link = &dials->first,
	                            .sock = sock,
	                            .fn = fn,
	                            .data = data};
	if (dial->next)
		dial->next->link = &dial->next;
	dials->first = dial;
	if (connect_to(sock, port, ipv6) == 0)
		finish(dial, true);
	else if (errno != EINPROGRESS || loop_add_fd(dials->loop, sock, LOOP_WRITE, on_writable,
	                                             dial, &dial->source, &err) < 0)
		finish(dial, false);
}

void relay_dials_release(struct relay_dials *dials)
{
	while (dials->first)
		finish(dials->first, false);
}
