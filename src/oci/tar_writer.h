/*
 * tar_writer - writes tar archives byte for byte as the reference implementations
 * of buildpacks do, so that the same files give the same digest.
 *
 * An entry is a ustar header where one can hold it, else a PAX header and a
 * truncated ustar header.  Nothing is added: the name is written as given (layers
 * use absolute names without a trailing slash), owner names are empty, and the end
 * is two zero blocks.  tar_writer_entry() and exactly `size` bytes by
 * tar_writer_data() alternate; tar_writer_end() closes the archive.
 *
 * Owns nothing: the bytes go to the sink.  Does not compress, and knows no sparse
 * files and no xattrs.  Format: pax(1), POSIX.1-2017 "pax Interchange Format".
 */
#pragma once

#include "base/attrs.h"

#include <stdint.h>

struct error;

/* The time buildpacks give to every file: 1980-01-01 00:00:01 UTC. */
#define TAR_TIME_FIXED 315532801

enum tar_type {
	TAR_FILE = '0',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCK = '4',
	TAR_DIR = '5',
	TAR_FIFO = '6',
};

struct tar_entry {
	const char *name;
	const char *target; /* of a symlink; else NULL */
	enum tar_type type;
	uint32_t mode; /* permission, set-id and sticky bits */
	uint32_t uid, gid;
	uint32_t dev_major, dev_minor;
	int64_t mtime;
	int64_t size; /* of a file; 0 for everything else */
};

typedef int tar_sink_fn(const void *bytes, size_t len, void *data, struct error *err);

struct tar_writer {
	tar_sink_fn *sink;
	void *data;
	int64_t left;     /* bytes of the current file still to come */
	uint32_t padding; /* zero bytes after them */
};

int tar_writer_entry(struct tar_writer *tar, const struct tar_entry *entry, struct error *err);
int tar_writer_data(struct tar_writer *tar, const void *bytes, size_t len, struct error *err);
int tar_writer_end(struct tar_writer *tar, struct error *err);

/* A file's header and, from `fd`, its `entry->size` bytes; fewer is an error. */
int tar_writer_file(struct tar_writer *tar, const struct tar_entry *entry, int fd,
                    struct error *err);
