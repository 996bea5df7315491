/*
 * import - files become an image of the store.
 *
 * A root file system (tar, or tar in gzip or zstd) becomes an image of one layer;
 * an OCI layout directory, an oci-archive or a docker-archive is taken as the image
 * it is.  Which of them it is shows in the file itself.
 *
 * The name is set last: a failed or killed import leaves the store as it was.
 * Blocks.
 */
#pragma once

#include "base/str.h"
#include "oci/unpack.h"

struct import_request {
	struct store *store;
	const char *path; /* a tar file or an OCI layout directory */
	const char *name; /* a local name */
	/* Changes to the image's configuration; empty or NULL: as it is. */
	struct strv env, entrypoint, cmd;
	struct strv labels; /* NAME=value */
	const char *user, *working_dir;
	struct unpack_limits limits;
	struct unpack_events events;
};

struct import_result {
	struct descriptor manifest;
	int64_t bytes;   /* of the files unpacked; 0 when every layer was there */
	int64_t skipped; /* entries left out */
};

void import_result_release(struct import_result *result);

int import_image(const struct import_request *request, struct import_result *ret,
                 struct error *err);
