/*
 * registry_blobs - gets the layers of an image: downloads several at once, goes on
 * after broken transfers, and unpacks what is there while the rest still comes.
 *
 * Blocks until all is there or something failed for good; then nothing is left
 * running.
 */
#pragma once

#include "oci/image.h"
#include "oci/registry.h"
#include "oci/registry_session.h"

struct userns_map;

struct blob_stats {
	int64_t bytes;  /* downloaded */
	size_t present; /* layers that were there, unpacked, before */
};

int registry_blobs_get(struct registry_session *session, const struct pull_request *request,
                       const struct userns_map *map, const struct image *image,
                       struct blob_stats *ret, struct error *err);
