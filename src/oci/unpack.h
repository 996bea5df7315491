/*
 * unpack - a layer's tar archive becomes a directory of the store.
 *
 * The archive is foreign: every path is resolved beneath the directory
 * (openat2 RESOLVE_IN_ROOT), the last part is never followed, devices and fifos are
 * left out, and size, ratio, number and depth are bounded.  All of it happens in a
 * user namespace, so the files get the owners of the map and set-id bits mean
 * nothing outside it; with a single-id map owners are dropped.  Whiteouts take
 * overlayfs form: character device 0/0, and user.overlay.opaque on directories.
 *
 * A layer is there whole or not at all.  Blocks; callbacks run in a child process.
 * Format: OCI image-spec "Layer Filesystem Changeset"; overlayfs "userxattr".
 */
#pragma once

#include "oci/store.h"

struct userns_map;

struct unpack_limits {
	int64_t bytes;   /* of all files, 0: 20 GiB */
	int64_t entries; /* 0: 1 million */
	int64_t ratio;   /* unpacked to packed bytes, 0: 200 */
};

struct unpack_events {
	/* Now and then. */
	void (*progress)(int64_t bytes, int64_t entries, void *data);
	/* Something of the archive was left out, and why. */
	void (*note)(const char *text, void *data);
	void *data;
};

struct unpack_result {
	char diff_id[SHA256_DIGEST_SIZE]; /* of the uncompressed tar */
	int64_t tar_bytes;
	int64_t file_bytes;
	int64_t entries;
	int64_t skipped; /* devices, fifos and sockets */
};

/*
 * Unpacks from `fd` (tar; tar in gzip or zstd) to layers/<diff id>.  With
 * `expected` not NULL a layer that is there already is taken as it is, and another
 * diff id than that is EBADMSG.  With `tee` >= 0 the uncompressed tar is written to it too.
 */
struct unpack_request {
	struct store *store;
	const struct userns_map *map;
	int fd;
	int tee;              /* -1: none */
	const char *expected; /* may be NULL */
	struct unpack_limits limits;
	struct unpack_events events;
};

int unpack_layer(const struct unpack_request *request, struct unpack_result *ret,
                 struct error *err);

/* The same for a blob of the store; nothing to do when the layer is there. */
int unpack_blob(struct store *store, const struct userns_map *map, const char *digest,
                const char *diff_id, const struct unpack_events *events, struct error *err);

/*
 * Only the regular files and directories of an archive, into an empty directory of
 * the caller's, with the caller's ids (image archives; not layers).
 */
int unpack_plain(int fd, int dir, const struct unpack_limits *limits, struct error *err);
