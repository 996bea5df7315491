/*
 * import_archive - takes an image that somebody saved: an OCI image layout, or the
 * contents of a docker-archive.
 *
 * Blobs are copied with their digests checked, layers unpacked with their diff ids
 * checked.  Archives of several images are not taken apart.  Blocks.
 * Format: OCI image-spec "Image Layout"; Docker image-spec v1.2 "Combined".
 */
#pragma once

#include "oci/image.h"
#include "oci/unpack.h"

struct import_archive {
	struct store *store;
	const struct userns_map *map;
	int dir; /* of the layout; borrowed */
	struct unpack_limits limits;
	struct unpack_events events;
	int64_t bytes, skipped; /* out: as in struct import_result */
};

/* Does the file at `fd` look like an archive of images (1) or a root file system (0)? */
int import_archive_detect(int fd, struct error *err);
/* `ret` is complete and in the store, its manifest's descriptor included; nothing is named. */
int import_archive_dir(struct import_archive *archive, struct image *ret, struct error *err);
