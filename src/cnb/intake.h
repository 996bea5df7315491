/*
 * intake - takes the image that the exporter made from its layout into the store.
 *
 * Nothing of the layout is trusted: every digest is computed again, every layer is
 * unpacked by the rules for foreign archives.  A layer the store has is not read.
 * Names nothing: the caller does that last.
 */
#pragma once

#include "oci/image.h"

struct error;
struct userns_map;

/* layout: the directory of the one image.  Fills the image as the store now has it. */
int intake_image(struct store *store, const struct userns_map *map, const char *layout,
                 struct image *ret, struct error *err);
