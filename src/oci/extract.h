/*
 * extract - puts the entries of a foreign tar archive beneath a directory, and
 * nowhere else.
 *
 * Every path is made lexically clean (one that leads out is refused), its parent is
 * opened by openat2 RESOLVE_IN_ROOT, and the last part is made new in that
 * directory: never followed, never opened through.  What was there under the name goes
 * first.  Whiteouts take overlayfs form.
 *
 * Runs with the caller's rights: unpack.h puts it in a user namespace.  Blocks.
 */
#pragma once

#include "base/array.h"
#include "oci/unpack.h"

#include <time.h>

struct archive;
struct archive_entry;

struct extract_dir_times {
	char *path;
	struct timespec mtime;
};

struct extractor {
	int root;          /* borrowed */
	bool drops_owners; /* one id only */
	bool is_plain;     /* files and directories only, with our own modes */
	struct unpack_limits limits;
	struct unpack_events events;
	struct unpack_result *result;

	/* The directory of the last entry: the next one is mostly in it, too. */
	char *parent_path;
	int parent;
	/* Set at the end: making entries changes them. */
	ARRAY(struct extract_dir_times) dirs;
};

#define EXTRACTOR_INIT                                                                             \
	{                                                                                          \
		.root = -1, .parent = -1                                                           \
	}

void extractor_release(struct extractor *ex);

int extractor_add(struct extractor *ex, struct archive *archive, struct archive_entry *entry,
                  struct error *err);
int extractor_finish(struct extractor *ex, struct error *err);

/* extract_path.c */

/* Lexically clean and relative, "" for the root; NULL when it leads out or is too long. */
char *extract_clean_path(const char *path, struct error *err);
/* The directory that holds `path`, made with all above it when missing; borrowed. */
int extract_open_parent(struct extractor *ex, const char *path, struct error *err);
void extract_close_parent(struct extractor *ex);
/* One more entry or made directory. */
int extract_count(struct extractor *ex, struct error *err);
bool extract_is_whiteout(int dir, const char *name);
/* user.overlay.opaque: lower layers' entries do not show in this directory. */
int extract_make_opaque(int fd, struct error *err);
