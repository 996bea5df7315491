/*
 * fixture - a store in a directory of its own, a canary beside it, and tar files of
 * any shape, made by libarchive.
 */
#pragma once

#include "base/attrs.h"
#include "base/userns.h"
#include "oci/store.h"
#include "oci/unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

struct archive;

struct fixture {
	char *dir;
	char *canary; /* a directory with the file "secret", that nothing may touch */
	struct store store;
	struct userns_map map;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_check_canary(const struct fixture *fixture);
/* Entries of a directory of the fixture, "." and ".." not counted. */
size_t fixture_count(const struct fixture *fixture, const char *dir);
char *fixture_path(const struct fixture *fixture, const char *name) must_check;

enum tar_filter { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };

struct archive *tar_begin(const char *path, enum tar_filter filter);
void tar_dir(struct archive *tar, const char *name, unsigned mode);
void tar_file(struct archive *tar, const char *name, const char *text);
void tar_link(struct archive *tar, const char *name, const char *target);
void tar_hard(struct archive *tar, const char *name, const char *target);

struct tar_detail {
	const char *name;
	unsigned type, mode; /* AE_IF… */
	int64_t uid, gid, size, mtime;
	const char *xattr, *value;
	const char *text;
};
void tar_detail(struct archive *tar, const struct tar_detail *detail);
void tar_end(struct archive *tar);

/* Unpacks DIR/layer.tar; 0 or -1. */
int unpack_tar(struct fixture *fixture, const struct unpack_limits *limits,
               struct unpack_result *ret, struct error *err);

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)
