/*
 * source - the source folder of a build: what belongs to it, whether it changed, a copy of it.
 *
 * source_scan() walks the folder and remembers each entry with its stat data; file
 * contents are hashed only where the stat data differs from an earlier scan.  The digest
 * of a scan is over paths, types, permissions and contents, not over times.
 *
 * Left out: what .dockerignore, project.toml and the caller exclude, version control,
 * node_modules and other folders that tools make again.  Sockets and devices are skipped.
 * Nothing is followed out of the folder.  Blocks on the disk.
 */
#pragma once

#include "base/array.h"
#include "base/sha256.h"
#include "base/str.h"

#include <stdint.h>
#include <sys/types.h>

struct error;
struct owner;

#define SOURCE_ENTRIES_MAX 500000

struct source_entry {
	char *path; /* relative to the folder */
	char type;  /* 'f', 'd', 'l' */
	uint32_t mode;
	int64_t size, mtime_ns, ctime_ns;
	uint64_t inode;
	char digest[SHA256_DIGEST_SIZE]; /* of the content, or of the target of a link */
};

struct source {
	ARRAY(struct source_entry) entries; /* sorted by path */
	int64_t scanned_ns;                 /* real time when the scan began */
	size_t hashed;                      /* files that had to be read */
	char digest[SHA256_DIGEST_SIZE];
};

void source_release(struct source *source);

/* `known` may be empty. */
int source_scan(int folder, const struct strv *exclude, const struct source *known,
                struct source *ret, struct error *err);

/* The scan kept in a file; one that cannot be read counts as empty. */
void source_load(const char *path, struct source *ret);
int source_save(const char *path, const struct source *source, struct error *err);

/* "package-lock.json changed", "3 files changed: a, b, c", "no file changed". */
char *source_difference(const struct source *before, const struct source *after) must_check;

/* Copies the entries of a scan into the empty directory `to`, for the builder's user. */
int source_copy(int folder, const struct source *source, int to, const struct owner *owner,
                struct error *err);
/* Is the folder still as it was scanned?  Stat data only. */
int source_is_unchanged(int folder, const struct strv *exclude, const struct source *source,
                        struct error *err);
