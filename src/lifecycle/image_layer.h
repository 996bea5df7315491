/*
 * image_layer - one layer of the image being made: an uncompressed tar that is a blob.
 *
 * The tar is produced by a callback.  When a digest that it may turn out to have is
 * known, it is hashed first and written only if it is another: a layer that did not
 * change costs reading, not writing.
 */
#pragma once

#include "base/sha256.h"
#include "oci/tar_writer.h"

#include <stdbool.h>

struct error;

typedef int image_layer_fn(struct tar_writer *tar, void *data, struct error *err);

struct image_layer {
	char digest[SHA256_DIGEST_SIZE]; /* of the tar: digest and diff id in one */
	int64_t size;
	bool is_known; /* it has the known digest; nothing was written */
};

/* dir: of the image (layout_prepare()).  known: NULL or "" when there is none. */
int image_layer_make(const char *dir, const char *known, image_layer_fn *fill, void *data,
                     struct image_layer *ret, struct error *err);
