/*
 * store - the image store: an OCI image layout, and its layers unpacked.
 *
 * Blobs and layers are content: they appear complete by one link or rename, are
 * never changed, and are shared by all images.  A name points to a manifest; what no
 * name leads to, store_gc() removes.  Work in progress has no final name, so a
 * process that dies leaves nothing but what store_sweep() takes away.
 *
 * Any number of processes may use a store: `store.lock` serialises index.json, and
 * a shared lock that every open store holds keeps store_gc() away while others work.
 *
 * Owns: a directory descriptor.  Blocks on the disk and on the lock.
 * Format: OCI image-spec "Image Layout"; docs/architecture.md, "Image store".
 */
#pragma once

#include "base/array.h"
#include "base/sha256.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct userns_map;

#define STORE_JSON_MAX (8 * 1024 * 1024) /* manifests, configs, index.json */

struct descriptor {
	char *media_type;
	char digest[SHA256_DIGEST_SIZE];
	int64_t size;
};

void descriptor_release(struct descriptor *desc);
void descriptor_copy(struct descriptor *dst, const struct descriptor *src);

/* "sha256:" and 64 lower-case hex digits. */
bool digest_is_valid(const char *digest);
int digest_check(const char *digest, struct error *err);

struct store {
	char *path; /* absolute */
	int dir;
};

#define STORE_INIT                                                                                 \
	{                                                                                          \
		.dir = -1                                                                          \
	}

/* Makes what is missing (0700). */
int store_open(const char *path, struct store *ret, struct error *err);
void store_release(struct store *store);

/* The lock of writers; a descriptor to close. */
int store_lock(const struct store *store, struct error *err);

/* ---- blobs ---- */

bool store_has_blob(const struct store *store, const char *digest);
/* For reading; ERR_NOT_FOUND when there is none. */
int store_open_blob(const struct store *store, const char *digest, int64_t *ret_size,
                    struct error *err);
/* A small blob, whole, its digest checked. */
struct strbuf;
int store_read_blob(const struct store *store, const char *digest, struct strbuf *out,
                    struct error *err);
int store_add_blob(struct store *store, const void *bytes, size_t len,
                   char ret_digest[SHA256_DIGEST_SIZE], struct error *err);

/* A blob being written: it has no name until it is committed, and vanishes otherwise. */
struct blob_writer {
	int fd;
	char *temporary; /* NULL where the file system has nameless files */
	int dir;
	int64_t size;
	struct sha256 sha;
};

#define BLOB_WRITER_INIT                                                                           \
	{                                                                                          \
		.fd = -1, .dir = -1                                                                \
	}

int store_begin_blob(struct store *store, struct blob_writer *ret, struct error *err);
int blob_writer_add(struct blob_writer *blob, const void *bytes, size_t len, struct error *err);
/* Back to empty, as after store_begin_blob(). */
int blob_writer_restart(struct blob_writer *blob, struct error *err);
/*
 * Gives it its digest as name.  `expected` may be NULL; EBADMSG when it differs.
 * A blob that is there already stays, and this one goes.
 */
int blob_writer_commit(struct blob_writer *blob, const char *expected,
                       char ret_digest[SHA256_DIGEST_SIZE], struct error *err);
/* As commit, for bytes that another process wrote through `fd`, with the digest it found. */
int blob_writer_commit_as(struct blob_writer *blob, const char *digest, struct error *err);
void blob_writer_release(struct blob_writer *blob);

/* ---- unpacked layers ---- */

bool store_has_layer(const struct store *store, const char *diff_id);
/* <store>/layers/<hex> */
char *store_layer_path(const struct store *store, const char *diff_id) must_check;
int store_open_layer(const struct store *store, const char *diff_id, struct error *err);

/* A layer being unpacked into `dir`; it becomes layers/<hex> by rename. */
struct layer_writer {
	int layers, dir;
	char *temporary;
};

#define LAYER_WRITER_INIT                                                                          \
	{                                                                                          \
		.layers = -1, .dir = -1                                                            \
	}

int store_begin_layer(struct store *store, const struct userns_map *map, struct layer_writer *ret,
                      struct error *err);
int layer_writer_commit(struct layer_writer *layer, const char *diff_id, struct error *err);
void layer_writer_release(struct layer_writer *layer);

/* ---- names ---- */

struct store_image {
	char *name;
	struct descriptor manifest;
};

struct store_images {
	ARRAY(struct store_image) items;
};

void store_images_release(struct store_images *images);

/* Sorted by name. */
int store_list(const struct store *store, struct store_images *ret, struct error *err);
/* Points a name to a manifest of the store; all that it leads to is on disk first. */
int store_set_name(struct store *store, const char *name, const struct descriptor *manifest,
                   struct error *err);
/* ERR_NOT_FOUND, with the nearest name as hint. */
int store_remove_name(struct store *store, const char *name, struct error *err);
/*
 * The manifest that `text` means: a name as it is written, or else the canonical
 * text of a reference.  `ret_name` (may be NULL) is the name found.  ERR_NOT_FOUND.
 */
int store_find(const struct store *store, const char *text, struct descriptor *ret, char **ret_name,
               struct error *err);

/* ---- garbage ---- */

struct store_gc {
	size_t blobs, layers; /* removed */
	int64_t bytes;        /* of the blobs */
};

/*
 * Removes every blob and layer that no name leads to, except layers in `keep` (diff
 * ids, which running containers use).  ERR_CONFLICT when another process has the store open.
 */
int store_gc(struct store *store, const struct strv *keep, struct store_gc *ret, struct error *err);
/* Removes what processes that died have left behind. */
int store_sweep(struct store *store, struct error *err);
