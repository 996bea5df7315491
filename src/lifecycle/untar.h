/*
 * untar - takes a cached layer out of its tar, below its own directory only.
 *
 * Reads what the exporter writes: ustar headers with absolute names, PAX headers with
 * "path" and "linkpath".  Every name must be the layer's directory, or in it, or above
 * it; no symlink is followed on the way.  Anything else is an error, for then the
 * cache is not ours.
 */
#pragma once

struct error;

/* dir: the layer's directory as it was named when the tar was made, and is made here. */
int untar_layer(const char *tar, const char *dir, struct error *err);
