#include "oci/runtime_idmap.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A mount's map: ids of the file system -> ids of the host, as the namespaces have them. */
static size_t map_extents(const struct userns_extent *of, size_t len, uint32_t caller,
                          struct userns_extent *ret)
{
	size_t n = 0;

	ret[n++] = (struct userns_extent){caller, of[0].outside, 1};
	/* Of four ranges there is no room for the last, which is nobody's in such a mount. */
	for (size_t i = 0; i < len && n < USERNS_EXTENTS; i++) {
		uint32_t skip = i == 0, first = of[i].outside + skip;

		if (of[i].count > skip)
			ret[n++] = (struct userns_extent){first, first, of[i].count - skip};
	}
	return n;
}

bool runtime_idmap_of(const struct userns_map *of, struct userns_map *ret)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid != 0 || of->uid[0].outside == uid || of->gid[0].outside == gid)
		return false;
	*ret = (struct userns_map){0};
	ret->uids = map_extents(of->uid, of->uids, uid, ret->uid);
	ret->gids = map_extents(of->gid, of->gids, gid, ret->gid);
	return true;
}

static int send_namespace(void *data, struct error *err)
{
	const int *sock = data;
	cleanup_close int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "/proc/self/ns/user");
	return fd_send_message(*sock, "", 1, &fd, 1, err);
}

/* A user namespace with the map, which lives as long as the descriptor. */
static int open_namespace(const struct userns_map *map, struct error *err)
{
	int pair[2], fds[FD_PASS_MAX], r;
	size_t count = 0;
	char byte;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "socketpair");
	r = userns_run(map, send_namespace, &pair[1], err);
	close(pair[1]);
	if (r == 0 && fd_receive_message(pair[0], &byte, 1, fds, &count, err) < 0)
		r = -1;
	close(pair[0]);
	if (r < 0)
		return -1;
	return count == 1 ? fds[0] : error_set(err, EPROTO, "no user namespace came");
}

/* NULL, or why not. */
static char *try_map(const char *source, int userns)
{
	cleanup_close int tree =
		open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (tree < 0)
		return xasprintf("open_tree: %s", strerror(errno));
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0)
		return NULL;
	return errno == EINVAL ? xstrdup("its file system, or one that is mounted below, cannot")
	                       : xasprintf("mount_setattr: %s", strerror(errno));
}

static bool is_of_host(const struct container_mount *mount)
{
	struct stat st;

	return mount->type == CONTAINER_BIND && mount->source && stat(mount->source, &st) == 0 &&
	       (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode));
}

void runtime_idmap_choose(struct container_request *request, const struct container_user *user)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int userns = -1;
	struct userns_map of, map;

	/* Without a map nothing will start, and that will be said. */
	if (runtime_config_map(user, &of, &err) < 0 || !runtime_idmap_of(&of, &map))
		return;
	array_foreach(mount, &request->mounts) {
		if (!is_of_host(mount))
			continue;
		if (userns < 0 && !err.code)
			userns = open_namespace(&map, &err);
		mount->unmapped_because =
			userns < 0 ? xstrdup(err.text) : try_map(mount->source, userns);
		mount->is_mapped = !mount->unmapped_because;
	}
}
