/*
 * merged_tree - copies a folder of an image as its merged layers show it, with
 * owners, modes and times: what a new volume begins with.
 *
 * The layers are put on each other here, file by file, so nothing is mounted:
 * whiteouts and opaque folders are respected, symlinks on the way to the folder are
 * taken from the image's root.  Devices and sockets are left out.
 *
 * For root of the namespace that the layers' owners are mapped in (base/userns.h);
 * owners that cannot be had are left as they are.  Blocks.
 */
#pragma once

#include "oci/image.h"

/* An image's layers, opened from the lowest to the highest. */
struct merged_layers {
	int *fds;
	size_t count;
};

int merged_layers_open(const struct store *store, const struct image *image,
                       struct merged_layers *ret, struct error *err);
void merged_layers_release(struct merged_layers *layers);

/* Into the directory `to`, which is empty; 1, or 0 when the image has no such folder. */
int merged_tree_copy(const struct merged_layers *layers, const char *path, int to,
                     struct error *err);
