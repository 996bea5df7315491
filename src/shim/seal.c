#include "shim/seal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "shim/spec.h"
#include "shim/swap.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#define SEALS       (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define SEAL_TRIES  100
#define CMDLINE_MAX (4 * 1024 * 1024)
#define SEALED_NAME "locald-shim (sealed)"

static bool maps_outside(const struct spec_extents *map, uint32_t id)
{
	array_foreach(extent, map)
		if (id >= extent->outside && id - extent->outside < extent->count)
			return true;
	return false;
}

/* Who can write to it, or cannot execute it as process 1 of --init, gets a copy. */
static bool needs_copy(const struct spec *spec, const struct stat *st)
{
	const struct spec_namespace *user = &spec->ns[NS_USER];
	const mode_t wanted = S_IROTH | S_IXOTH;

	/* Without a user namespace of its own the container has our ids. */
	if (!user->is_set || user->path || st->st_mode & S_IWOTH ||
	    (st->st_mode & wanted) != wanted)
		return true;
	return maps_outside(&spec->uid_map, st->st_uid) ||
	       (st->st_mode & S_IWGRP && maps_outside(&spec->gid_map, st->st_gid));
}

/*
 * Refused with EBUSY while somebody has a hold of a page, as the kernel's own housekeeping may
 * have. Each try waits 150 ms for that.
 */
static int add_seals(int memory)
{
	for (int tries = 0; tries < SEAL_TRIES; tries++)
		if (fcntl(memory, F_ADD_SEALS, SEALS) == 0)
			return 0;
		else if (errno != EBUSY)
			break;
	return -1;
}

static int copy_to_memory(int exe, off_t size, struct error *err)
{
	cleanup_close int memory = memfd_create("locald-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (memory < 0)
		return error_errno(err, errno, "memfd_create");
	while (size > 0) {
		ssize_t n = sendfile(memory, exe, NULL, (size_t)size);

		if (n <= 0)
			return error_errno(err, n < 0 ? errno : EIO, "copy the program");
		size -= n;
	}
	if (fchmod(memory, 0555) < 0 || add_seals(memory) < 0)
		return error_errno(err, errno, "seal the program");
	return take_fd(memory);
}

/*
 * The program's folder as the lower layer of an overlay without an upper one, which nobody can
 * make writable, not even root; it is mounted nowhere.  The second layer, which such an overlay
 * needs, is empty.
 */
static int mount_sealed(const char *folder, struct error *err)
{
	cleanup_close int below = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int empty = tree_make("tmpfs", "tmpfs", NULL, MOUNT_ATTR_RDONLY, err);
	cleanup_close int context = -1, here = -1;
	char layers[32];
	int sealed = -1;

	if (below < 0 || empty < 0)
		return -1;
	context = tree_begin("overlay", err);
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A path could have a colon in it. */
	snprintf(layers, sizeof(layers), "%d:%d", below, empty);
	if (context < 0 || here < 0 || chdir("/proc/self/fd") < 0)
		return -1;
	if (tree_param(context, "lowerdir", layers, err) == 0)
		sealed = tree_finish(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (fchdir(here) < 0)
		close_fd(&sealed);
	return sealed;
}

/* -1 where it cannot be had: as an ordinary user, or on a file system that is no lower layer. */
static int open_sealed(const struct stat *exe)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_close int sealed = -1, program = -1;
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *name = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
	struct stat st;

	if (geteuid() != 0 || !name || name == path)
		return -1;
	path[len] = '\0';
	*name++ = '\0';
	sealed = mount_sealed(path, &ignored);
	program = sealed < 0 ? -1
	                     : openat(sealed, name,
	                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* Another may have taken its name. */
	if (program < 0 || fstat(program, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != exe->st_size || st.st_mtim.tv_sec != exe->st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != exe->st_mtim.tv_nsec)
		return -1;
	return take_fd(program);
}

/* Are we what open_sealed() made?  An overlay alone says nothing: the host may be one. */
static bool is_sealed_mount(int exe)
{
	struct statfs fs;

	return fstatfs(exe, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC &&
	       fs.f_flags & ST_RDONLY;
}

static int read_arguments(struct strv *argv, struct error *err)
{
	cleanup_close int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fd < 0)
		return error_errno(err, errno, "/proc/self/cmdline");
	if (fd_read_to_end(fd, &text, CMDLINE_MAX, err) < 0)
		return -1;
	for (size_t at = 0; at < text.len; at += strlen(text.buf + at) + 1)
		strv_add(argv, text.buf + at);
	return 0;
}

static int execute_again(int sealed, struct strv *argv, struct error *err)
{
	if (argv->len == 0 && read_arguments(argv, err) < 0)
		return -1;
	if (argv->len > 0) {
		free(argv->items[0]);
		argv->items[0] = xstrdup(SEALED_NAME);
	}
	fexecve(sealed, argv->items, environ);
	return error_errno(err, errno, "execute the sealed program");
}

int seal_self(const struct spec *spec, struct error *err)
{
	cleanup_close int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_close int sealed = -1;
	cleanup(strv_release) struct strv argv = STRV_INIT;
	struct stat st;
	int seals;

	if (exe < 0 || fstat(exe, &st) < 0)
		return error_errno(err, errno, "/proc/self/exe");
	/* A file on a disk has no seals: -1. */
	seals = fcntl(exe, F_GET_SEALS);
	if ((seals >= 0 && (seals & SEALS) == SEALS) || !needs_copy(spec, &st))
		return 0;
	if (is_sealed_mount(exe)) {
		if (read_arguments(&argv, err) < 0)
			return -1;
		if (argv.len > 0 && str_eq(argv.items[0], SEALED_NAME))
			return 0;
	}
	sealed = open_sealed(&st);
	if (sealed < 0)
		sealed = copy_to_memory(exe, st.st_size, err);
	if (sealed < 0)
		return -1;
	return swap_program(sealed) ? 0 : execute_again(sealed, &argv, err);
}
