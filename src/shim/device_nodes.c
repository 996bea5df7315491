#include "shim/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "shim/idmap.h"
#include "shim/plan.h"
#include "shim/sync.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

/* A file system for them, seen by nobody; only what is attached can be cloned in parts. */
static int make_folder(struct error *err)
{
	cleanup_close int tree = -1, root = -1;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "make a mount namespace");
	tree = tree_make("tmpfs", "tmpfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0 || root < 0 || tree_attach(tree, root, err) < 0)
		return -1;
	return take_fd(tree);
}

static int make_node(const struct spec *spec, const struct spec_device *device, int folder,
                     const char *name, struct error *err)
{
	dev_t number = makedev(device->major, device->minor);
	uint32_t uid, gid;

	if (!idmap_outside(&spec->uid_map, device->uid, &uid) ||
	    !idmap_outside(&spec->gid_map, device->gid, &gid))
		return error_set(err, ERR_CONFIG,
		                 "its owner %u:%u is not in linux.uidMappings and gidMappings",
		                 device->uid, device->gid);
	if (mknodat(folder, name, device->type | device->mode, number) < 0 ||
	    fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "make node");
	return tree_clone(folder, name, false, err);
}

static int make_all(const struct plan *plan, int sock, struct error *err)
{
	const struct spec *spec = plan->spec;
	cleanup_close int folder = make_folder(err);

	umask(0);
	for (size_t i = 0; folder >= 0 && i < spec->devices.len; i++) {
		const struct spec_device *device = &spec->devices.items[i];
		cleanup_close int node = -1;
		char name[24];

		/* A fifo can be made inside. */
		snprintf(name, sizeof(name), "%zu", i);
		if (device->type != S_IFIFO) {
			node = make_node(spec, device, folder, name, err);
			if (node < 0)
				return error_wrap(err, "linux.devices: `%s`", device->path);
		}
		if (sync_send_fd(sock, SYNC_NODE, node, err) < 0)
			return -1;
	}
	return folder < 0 ? -1 : 0;
}

static no_return void run_maker(const struct plan *plan, int sock)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	if (make_all(plan, sock, &err) < 0)
		sync_send_failure(sock, &err);
	_exit(0);
}

static int receive_all(const struct plan *plan, int sock, struct error *err)
{
	for (size_t i = 0; i < plan->spec->devices.len; i++) {
		int kind = sync_receive(sock, &plan->nodes[i], err);

		if (kind != SYNC_NODE)
			return kind < 0 ? -1
			                : error_set(err, EPROTO, "linux.devices: no node came");
	}
	return 0;
}

int devices_make_outside(const struct plan *plan, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	cleanup_close int sock = -1;
	int ends[2], done;
	pid_t pid;

	if (!plan->has_new_userns || plan->spec->devices.len == 0 || geteuid() != 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, errno, "socketpair");
	sock = ends[0];
	pid = fork();
	if (pid == 0)
		run_maker(plan, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return error_errno(err, errno, "fork");
	done = receive_all(plan, sock, &why);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	/* Root of a container, or without CAP_MKNOD. */
	return done < 0 && why.code != EPERM ? error_move(err, &why) : 0;
}
