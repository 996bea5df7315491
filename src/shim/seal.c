#include "shim/seal.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define SEALS       (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define CMDLINE_MAX (4 * 1024 * 1024)

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
	if (fchmod(memory, 0555) < 0 || fcntl(memory, F_ADD_SEALS, SEALS) < 0)
		return error_errno(err, errno, "seal the program");
	return take_fd(memory);
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

int seal_self(const struct spec *spec, struct error *err)
{
	cleanup_close int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_close int memory = -1;
	cleanup(strv_release) struct strv argv = STRV_INIT;
	struct stat st;
	int seals;

	if (exe < 0 || fstat(exe, &st) < 0)
		return error_errno(err, errno, "/proc/self/exe");
	/* A file on a disk has no seals: -1. */
	seals = fcntl(exe, F_GET_SEALS);
	if ((seals >= 0 && (seals & SEALS) == SEALS) || !needs_copy(spec, &st))
		return 0;
	memory = copy_to_memory(exe, st.st_size, err);
	if (memory < 0 || read_arguments(&argv, err) < 0)
		return -1;
	fexecve(memory, argv.items, environ);
	return error_errno(err, errno, "execute the sealed program");
}
