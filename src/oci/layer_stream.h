/*
 * layer_stream - the uncompressed bytes of a layer, hashed and bounded as they pass.
 *
 * Reads tar, or tar in gzip or zstd, from a descriptor; which of them shows in the
 * first bytes.  Only these: no other filter of libarchive is switched on.
 *
 * Owns: the decompressor, not the descriptors.  Blocks.
 */
#pragma once

#include "base/sha256.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct layer_stream;

struct layer_stream_limits {
	int64_t bytes; /* that may come out */
	int64_t ratio; /* of out to in, once more than a little has come out */
};

/* tee: -1, or where every byte that comes out is written too. */
struct layer_stream *layer_stream_new(int fd, int tee, const struct layer_stream_limits *limits,
                                      struct error *err);
void layer_stream_free(struct layer_stream *stream);
static inline void freep_layer_stream(struct layer_stream **stream)
{
	layer_stream_free(*stream);
}

/* The next bytes, valid until the next call; 0 at the end. */
ssize_t layer_stream_next(struct layer_stream *stream, const void **ret, struct error *err);
/* Reads to the end. */
int layer_stream_drain(struct layer_stream *stream, struct error *err);

int64_t layer_stream_bytes(const struct layer_stream *stream);
/* Of all bytes, once the end has been reached. */
void layer_stream_digest(struct layer_stream *stream, char ret[SHA256_DIGEST_SIZE]);
