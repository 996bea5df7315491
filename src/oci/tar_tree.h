/*
 * tar_tree - puts directory trees into a tar archive in a reproducible order.
 *
 * The tree at `path` on disk appears in the archive as `name`, an absolute name
 * without a trailing slash ("/layers/a_b/node"); a single file works as well.
 * Times are TAR_TIME_FIXED; hard links become copies, sockets are left out.  No
 * symlink is followed, `path` itself included.
 *
 * Blocks on the disk.  A file that shrinks while it is read is an error.
 */
#pragma once

#include "oci/tar_writer.h"

#include <stdbool.h>
#include <sys/stat.h>

enum tar_tree_order {
	TAR_TREE_WALK,  /* each directory's names bytewise, descending at once */
	TAR_TREE_PATHS, /* the whole names bytewise: "/w/a", "/w/a.txt", "/w/a/b" */
};

#define TAR_TREE_OWNER_AS_IS (-1)

struct tar_tree_options {
	enum tar_tree_order order;
	int64_t uid, gid; /* forced, or TAR_TREE_OWNER_AS_IS */
	/* 0755 for directories and what anybody may execute, 0644 for the rest. */
	bool plain_modes;
	/* When set, entries for which it is false are left out, but directories are still entered.
	 */
	bool (*want)(const char *name, const struct stat *st, void *data);
	void *data;
};

int tar_tree_add(struct tar_writer *tar, const char *path, const char *name,
                 const struct tar_tree_options *options, struct error *err);

/*
 * Adds the directories above `name` ("/layers", "/layers/a_b"), not `name` itself,
 * with owner and mode as on disk beneath `root` ("" for the disk itself).
 */
int tar_tree_add_parents(struct tar_writer *tar, const char *root, const char *name,
                         struct error *err);
/* One directory that need not exist on disk. */
int tar_tree_add_dir(struct tar_writer *tar, const char *name, uint32_t mode, uint32_t uid,
                     uint32_t gid, struct error *err);
int tar_tree_add_symlink(struct tar_writer *tar, const char *name, const char *target, uint32_t uid,
                         uint32_t gid, struct error *err);
/* A file from memory. */
int tar_tree_add_bytes(struct tar_writer *tar, const char *name, uint32_t mode, uint32_t uid,
                       uint32_t gid, const void *bytes, size_t len, struct error *err);
