#include "service/port_pool.h"

#include "base/error.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

static struct port_lease *lease_of(struct port_pool *pool, const char *owner)
{
	array_foreach(lease, &pool->leases)
		if (str_eq(lease->owner, owner))
			return lease;
	return NULL;
}

static bool is_leased(const struct port_pool *pool, int port)
{
	array_foreach(lease, &pool->leases)
		if (lease->port == port)
			return true;
	return false;
}

/* FNV-1a */
static uint32_t hash_of(const char *owner)
{
	uint32_t hash = 2166136261u;

	for (; *owner; owner++)
		hash = (hash ^ (unsigned char)*owner) * 16777619u;
	return hash;
}

static int choose(struct port_pool *pool, const char *owner, struct error *err)
{
	uint32_t count = (uint32_t)(pool->last - pool->first + 1);
	uint32_t start = pool->is_spread ? hash_of(owner) % count : 0;

	for (uint32_t i = 0; i < count; i++) {
		int port = pool->first + (int)((start + i) % count);

		if (!is_leased(pool, port) && pool->is_free(port, pool->data))
			return port;
	}
	return error_set(err, EADDRINUSE, "no free port in %d-%d", pool->first, pool->last);
}

int port_pool_take(struct port_pool *pool, const char *owner, struct error *err)
{
	struct port_lease *lease = lease_of(pool, owner);
	int port;

	if (lease)
		return lease->port;
	port = choose(pool, owner, err);
	if (port < 0)
		return -1;
	*array_add(&pool->leases) = (struct port_lease){xstrdup(owner), port};
	return port;
}

bool port_pool_restore(struct port_pool *pool, const char *owner, int port)
{
	struct port_lease *lease = lease_of(pool, owner);

	if (port < 1 || port > 65535)
		return false;
	if (lease && lease->port == port)
		return true;
	if (is_leased(pool, port))
		return false;
	if (lease)
		lease->port = port;
	else
		*array_add(&pool->leases) = (struct port_lease){xstrdup(owner), port};
	return true;
}

int port_pool_move(struct port_pool *pool, const char *owner, struct error *err)
{
	struct port_lease *lease = lease_of(pool, owner);
	int port;

	if (!lease)
		return port_pool_take(pool, owner, err);
	port = choose(pool, owner, err);
	if (port < 0)
		return -1;
	lease->port = port;
	return port;
}

void port_pool_give(struct port_pool *pool, const char *owner)
{
	struct port_lease *lease = lease_of(pool, owner);

	if (!lease)
		return;
	free(lease->owner);
	array_remove(&pool->leases, lease);
}

struct port_pool port_pool_copy(const struct port_pool *pool)
{
	struct port_pool copy = *pool;

	copy.leases.items = NULL;
	copy.leases.len = copy.leases.cap = 0;
	array_foreach(lease, &pool->leases)
		*array_add(&copy.leases) = (struct port_lease){xstrdup(lease->owner), lease->port};
	return copy;
}

void port_pool_release(struct port_pool *pool)
{
	array_foreach(lease, &pool->leases)
		free(lease->owner);
	array_release(&pool->leases);
}

/* A machine without IPv6 refuses the socket or the address: then there is nobody to collide with.
 */
static bool can_bind(const struct sockaddr *addr, socklen_t len)
{
	cleanup_close int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return addr->sa_family == AF_INET6;
	/* Connections in TIME_WAIT do not take a port; listeners still refuse us. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, addr, len) < 0)
		return errno == EADDRNOTAVAIL;
	return listen(fd, 1) == 0;
}

bool port_probe_loopback(int port, void *data)
{
	struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};

	return can_bind((const struct sockaddr *)&v4, sizeof(v4)) &&
	       can_bind((const struct sockaddr *)&v6, sizeof(v6));
}
