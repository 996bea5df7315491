#include "shim/net_devices.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define REPLY_MAX   32768
#define FIRST_INDEX 1000 /* of our devices in the container, from here on */

struct message {
	struct nlmsghdr head;
	char body[512];
};

struct address {
	struct ifaddrmsg head;
	unsigned short kinds[3]; /* IFA_*, 0: none */
	unsigned char bytes[3][16];
	unsigned short sizes[3];
};
struct addresses {
	struct address *items;
	size_t len, cap;
};

static void addresses_release(struct addresses *addresses)
{
	array_release(addresses);
}

static struct message begin(int type, int flags, const void *head, size_t size)
{
	struct message message = {
		.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
	                 .nlmsg_type = (uint16_t)type,
	                 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
	};

	memcpy(message.body, head, size);
	return message;
}

/* Values are short: names, numbers and addresses. */
static void add(struct message *message, int kind, const void *value, size_t size)
{
	size_t at = NLMSG_ALIGN(message->head.nlmsg_len);
	struct rtattr attribute = {.rta_len = (unsigned short)RTA_LENGTH(size),
	                           .rta_type = (unsigned short)kind};

	memcpy((char *)message + at, &attribute, sizeof(attribute));
	memcpy((char *)message + at + RTA_LENGTH(0), value, size);
	message->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
}

static int open_socket(struct error *err)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return sock < 0 ? error_errno(err, errno, "rtnetlink") : sock;
}

static int ask(int sock, struct message *message, const char *what, struct error *err)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[1024];
	} reply;
	ssize_t len;

	message->head.nlmsg_flags |= NLM_F_ACK;
	if (send(sock, message, message->head.nlmsg_len, 0) < 0)
		return error_errno(err, errno, "%s", what);
	len = recv(sock, &reply, sizeof(reply), 0);
	if (len < (ssize_t)NLMSG_LENGTH(sizeof(reply.error)) ||
	    reply.head.nlmsg_type != NLMSG_ERROR)
		return error_errno(err, len < 0 ? errno : EPROTO, "%s", what);
	return reply.error.error ? error_errno(err, -reply.error.error, "%s", what) : 0;
}

static unsigned index_of(int sock, const char *name)
{
	struct ifreq request = {0};

	str_copy(request.ifr_name, sizeof(request.ifr_name), name);
	return ioctl(sock, SIOCGIFINDEX, &request) < 0 ? 0 : (unsigned)request.ifr_ifindex;
}

/* One of a dump: kept when it is the device's, for the whole world and for good. */
static void keep_address(struct addresses *ret, struct nlmsghdr *head, unsigned index)
{
	struct ifaddrmsg *address = NLMSG_DATA(head);
	int left = (int)IFA_PAYLOAD(head);
	struct address kept = {.head = *address};
	size_t n = 0;

	if (address->ifa_index != index || address->ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(address->ifa_flags & IFA_F_PERMANENT))
		return;
	for (struct rtattr *at = IFA_RTA(address); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if ((at->rta_type != IFA_LOCAL && at->rta_type != IFA_ADDRESS &&
		     at->rta_type != IFA_BROADCAST) ||
		    n == ARRAY_LEN(kept.kinds) || RTA_PAYLOAD(at) > sizeof(kept.bytes[n]))
			continue;
		kept.kinds[n] = at->rta_type;
		kept.sizes[n] = (unsigned short)RTA_PAYLOAD(at);
		memcpy(kept.bytes[n++], RTA_DATA(at), RTA_PAYLOAD(at));
	}
	*array_add(ret) = kept;
}

static int list_addresses(int sock, unsigned index, struct addresses *ret, struct error *err)
{
	const struct ifaddrmsg all = {.ifa_family = AF_UNSPEC};
	struct message message = begin(RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all));
	cleanup_free char *reply = xmalloc(REPLY_MAX);

	if (send(sock, &message, message.head.nlmsg_len, 0) < 0)
		return error_errno(err, errno, "ask for addresses");
	for (;;) {
		ssize_t got = recv(sock, reply, REPLY_MAX, 0);
		unsigned left = got > 0 ? (unsigned)got : 0;

		if (got <= 0)
			return error_errno(err, got < 0 ? errno : EPROTO, "ask for addresses");
		for (struct nlmsghdr *head = (void *)reply; NLMSG_OK(head, left);
		     head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type == NLMSG_DONE)
				return 0;
			if (head->nlmsg_type == NLMSG_ERROR)
				return error_errno(err, EPROTO, "ask for addresses");
			if (head->nlmsg_type == RTM_NEWADDR)
				keep_address(ret, head, index);
		}
	}
}

static int move_one(int ours, int theirs, int netns, const struct spec_pair *device,
                    unsigned new_index, struct error *err)
{
	struct ifinfomsg link = {.ifi_index = (int)index_of(ours, device->key)};
	struct ifinfomsg up = {
		.ifi_index = (int)new_index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	cleanup(addresses_release) struct addresses addresses = {0};
	struct message message;

	if (!link.ifi_index)
		return error_set(err, ENODEV, "the host has no such device");
	/* Beforehand: a device that cannot be renamed would be there, and lost with the rest. */
	if (index_of(theirs, device->value))
		return error_set(err, EEXIST, "the container has a device `%s` already",
		                 device->value);
	if (list_addresses(ours, (unsigned)link.ifi_index, &addresses, err) < 0)
		return -1;
	message = begin(RTM_NEWLINK, 0, &link, sizeof(link));
	add(&message, IFLA_NET_NS_FD, &netns, sizeof(netns));
	add(&message, IFLA_IFNAME, device->value, strlen(device->value) + 1);
	add(&message, IFLA_NEW_IFINDEX, &new_index, sizeof(new_index));
	if (ask(ours, &message, "move it", err) < 0)
		return -1;
	message = begin(RTM_NEWLINK, 0, &up, sizeof(up));
	if (ask(theirs, &message, "bring it up", err) < 0)
		return -1;
	array_foreach(address, &addresses) {
		address->head.ifa_index = new_index;
		message = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address->head,
		                sizeof(address->head));
		for (size_t i = 0; i < ARRAY_LEN(address->kinds) && address->kinds[i]; i++)
			add(&message, address->kinds[i], address->bytes[i], address->sizes[i]);
		if (ask(theirs, &message, "add its address", err) < 0)
			return -1;
	}
	return 0;
}

/* A socket stays in the namespace in which it was made. */
static int open_inside(int netns, struct error *err)
{
	cleanup_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int sock;

	if (own < 0 || setns(netns, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "enter the network namespace");
	sock = open_socket(err);
	if (setns(own, CLONE_NEWNET) < 0) {
		close_fd(&sock);
		return error_errno(err, errno, "leave the network namespace");
	}
	return sock;
}

int net_devices_move(const struct spec *spec, int netns, struct error *err)
{
	cleanup_close int ours = -1, theirs = -1;
	unsigned index = FIRST_INDEX;

	if (spec->net_devices.len == 0)
		return 0;
	ours = open_socket(err);
	theirs = ours < 0 ? -1 : open_inside(netns, err);
	if (theirs < 0) {
		error_wrap(err, "linux.netDevices");
		return err->code == EPERM ? error_hint(err, "only root can give a device of the "
		                                            "host away")
		                          : -1;
	}
	array_foreach(device, &spec->net_devices)
		if (move_one(ours, theirs, netns, device, index++, err) < 0)
			return error_wrap(err, "linux.netDevices.%s", device->key);
	return 0;
}
