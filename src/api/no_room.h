/*
 * no_room - says of a failure for want of disk space where that is, and how much is left.
 *
 * For the edges where such a failure stops something: text and hint of the error are completed,
 * every other error is left alone.  Blocks on the disk.
 */
#pragma once

#include <stdbool.h>

struct error;

/* `path` is what could not be written, or made: it need not exist.  Returns -1. */
int no_room_explain(struct error *err, const char *path);

/* Can its file system have no other file, whatever its free space? */
bool no_room_for_files(const char *path);
