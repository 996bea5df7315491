/* unpack_checks - making layers and looking at what was unpacked, for the tests of unpacking. */
#pragma once

#include "fixture.h"

#include "base/error.h"
#include "base/fork_call.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static inline struct archive *begin(const struct fixture *fixture)
{
	cleanup_free char *path = fixture_path(fixture, "layer.tar");

	return tar_begin(path, TAR_PLAIN);
}

/* Unpacks what was made and returns the layer's directory. */
static inline int good_layer(struct fixture *fixture, struct archive *tar)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result result;
	int dir;

	tar_end(tar);
	assert_ok(unpack_tar(fixture, NULL, &result, &err));
	fixture_check_canary(fixture);
	dir = store_open_layer(&fixture->store, result.diff_id, &err);
	assert_true(dir >= 0);
	return dir;
}

/* Insists that the archive is refused with that code, and that nothing stays. */
static inline void bad_layer(struct fixture *fixture, struct archive *tar, int code)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result result;

	tar_end(tar);
	assert_int_equal(unpack_tar(fixture, NULL, &result, &err), -1);
	if (err.code != code)
		fail_msg("code %d instead of %d: %s", err.code, code, err.text);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	fixture_check_canary(fixture);
}

static inline struct stat stat_of(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static inline void assert_missing(int dir, const char *name)
{
	assert_int_equal(faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static inline void assert_text(int dir, const char *name, const char *text)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[256] = {0};

	assert_true(fd >= 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, text);
}

static inline void assert_opaque(int dir, const char *name, bool expected)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char value[8];
	ssize_t n = fgetxattr(fd, "user.overlay.opaque", value, sizeof(value));

	assert_int_equal(n, expected ? 1 : -1);
}

static inline bool is_whiteout(int dir, const char *name)
{
	struct stat st = stat_of(dir, name);

	return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}
