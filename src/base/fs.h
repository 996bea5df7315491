/*
 * fs - files and directories, safely: atomic replacement, private directories,
 * and paths that cannot leave their root.
 *
 * Blocks on the disk.  Paths are bytes; nothing here expands or guesses.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct strbuf;
struct strv;

/* a + "/" + b, without doubling the slash. */
char *path_join(const char *a, const char *b) must_check;
/* After the last slash; points into path. */
const char *path_base(const char *path);
/* Before the last slash ("/" or "." where there is none); owned by the caller. */
char *path_dir(const char *path) must_check;
/* realpath(3), with an error that names the path. */
char *path_real(const char *path, struct error *err) must_check;
/* Absolute and lexically clean ("." and ".." resolved); the path need not exist. */
char *path_absolute(const char *base, const char *path) must_check;

bool fs_exists(const char *path);
/* A program that a package installs, wherever $PATH leads; NULL when it is in none of the usual
 * folders. */
char *fs_find_program(const char *name) must_check;
bool fs_is_dir(const char *path);
/* What is in a folder, sorted and without hidden names; nothing where it cannot be read. */
void fs_names(const char *dir, struct strv *out);

int fs_read_file(const char *path, size_t max, struct strbuf *out, struct error *err);
/* Temporary file in the same directory, fsync, rename. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *err);
/* The same, but EEXIST when there is a file already. */
int fs_write_new(const char *path, const void *data, size_t len, mode_t mode, struct error *err);
/* mkdir -p with a mode for what is made. */
int fs_mkdirs(const char *path, mode_t mode, struct error *err);
/*
 * mkdir -p 0700, then insists (lstat) that the last part is a directory, ours,
 * and closed to others; a mode that is too open is an error with a hint.
 */
int fs_mkdirs_private(const char *path, struct error *err);

/*
 * Opens `path` beneath `rootfd`: neither "..", an absolute path nor any symlink
 * leads outside.  With resolve_in_root absolute paths and symlinks are taken
 * from the root, as in a chroot (openat2 RESOLVE_IN_ROOT).
 */
int fs_open_beneath(int rootfd, const char *path, int flags, mode_t mode, struct error *err);
int fs_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct error *err);
/* mkdir -p inside a root, resolving as fs_open_in_root(); returns the fd of the last part. */
int fs_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct error *err);

/* Removes name under dirfd and all below it; never follows a symlink or leaves the mount. */
int fs_remove_tree(int dirfd, const char *name, struct error *err);

/* An exclusive lock on a file that is made if needed; -1 with EWOULDBLOCK when !wait and taken. */
int fs_lock(const char *path, bool wait, struct error *err);
