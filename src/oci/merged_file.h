/*
 * merged_file - reads a file of an image as its merged layers show it, without
 * mounting them: upper layers first, whiteouts and opaque directories respected.
 *
 * A symlink at the end of the path is followed through the layers, always from
 * the image's root; symlinks of directories only within one layer.  Blocks.
 */
#pragma once

#include "oci/image.h"

struct strbuf;

/* Appends the file at `path` (absolute); nothing when there is none.  EFBIG beyond `max`. */
int merged_file_read(const struct store *store, const struct image *image, const char *path,
                     size_t max, struct strbuf *out, struct error *err);
