#include "oci/store.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BLOBS     "blobs/sha256"
#define TEMPORARY ".new-XXXXXX"

static const char *hex_of(const char *digest)
{
	return digest + strlen("sha256:");
}

static char *blob_path(const char *digest)
{
	return xasprintf(BLOBS "/%s", hex_of(digest));
}

bool store_has_blob(const struct store *store, const char *digest)
{
	cleanup_free char *path = NULL;

	if (!digest_is_valid(digest))
		return false;
	path = blob_path(digest);
	return faccessat(store->dir, path, R_OK, 0) == 0;
}

int store_open_blob(const struct store *store, const char *digest, int64_t *ret_size,
                    struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	struct stat st;

	if (digest_check(digest, err) < 0)
		return -1;
	path = blob_path(digest);
	fd = openat(store->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "blob %s is not in the store", digest);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open blob %s", digest);
	if (ret_size)
		*ret_size = st.st_size;
	return take_fd(fd);
}

int store_read_blob(const struct store *store, const char *digest, struct strbuf *out,
                    struct error *err)
{
	cleanup_close int fd = store_open_blob(store, digest, NULL, err);
	char actual[SHA256_DIGEST_SIZE];
	size_t start = out->len;

	if (fd < 0)
		return -1;
	if (fd_read_to_end(fd, out, STORE_JSON_MAX, err) < 0)
		return error_wrap(err, "read blob %s", digest);
	sha256_digest_of(out->buf + start, out->len - start, actual);
	if (str_eq(actual, digest))
		return 0;
	strbuf_truncate(out, start);
	error_set(err, EBADMSG, "blob %s was damaged on disk", digest);
	return error_hint(err, "remove the image and get it again");
}

static int fill_random(char *at, struct error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char bytes[6];

	if (getentropy(bytes, sizeof(bytes)) < 0)
		return error_errno(err, errno, "random name");
	for (size_t i = 0; i < sizeof(bytes); i++)
		at[i] = letters[bytes[i] % 32];
	return 0;
}

/* Where files without a name do not exist (some network and overlay file systems). */
static int open_named(const struct store *store, struct blob_writer *blob, struct error *err)
{
	/* store_sweep() must not find the file before its lock is taken. */
	cleanup_close int lock = store_lock(store, err);

	if (lock < 0)
		return -1;
	do {
		free(blob->temporary);
		blob->temporary = xstrdup(TEMPORARY);
		if (fill_random(blob->temporary + strlen(".new-"), err) < 0)
			return -1;
		blob->fd = openat(blob->dir, blob->temporary,
		                  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	} while (blob->fd < 0 && errno == EEXIST);
	if (blob->fd < 0 || flock(blob->fd, LOCK_EX | LOCK_NB) < 0)
		return error_errno(err, errno, "make a blob");
	return 0;
}

int store_begin_blob(struct store *store, struct blob_writer *ret, struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;

	blob.dir = openat(store->dir, BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (blob.dir < 0)
		return error_errno(err, errno, "%s/" BLOBS, store->path);
	blob.fd = openat(blob.dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (blob.fd < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return error_errno(err, errno, "make a blob in %s", store->path);
	if (blob.fd < 0 && open_named(store, &blob, err) < 0)
		return -1;
	sha256_init(&blob.sha);
	*ret = blob;
	blob = (struct blob_writer)BLOB_WRITER_INIT;
	return 0;
}

int blob_writer_add(struct blob_writer *blob, const void *bytes, size_t len, struct error *err)
{
	if (fd_write_all(blob->fd, bytes, len, err) < 0)
		return error_wrap(err, "image store");
	sha256_add(&blob->sha, bytes, len);
	blob->size += (int64_t)len;
	return 0;
}

int blob_writer_restart(struct blob_writer *blob, struct error *err)
{
	if (ftruncate(blob->fd, 0) < 0 || lseek(blob->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "image store");
	sha256_init(&blob->sha);
	blob->size = 0;
	return 0;
}

int blob_writer_commit(struct blob_writer *blob, const char *expected,
                       char ret_digest[SHA256_DIGEST_SIZE], struct error *err)
{
	char digest[SHA256_DIGEST_SIZE];

	sha256_digest(&blob->sha, digest);
	if (expected && !str_eq(expected, digest))
		return error_set(err, EBADMSG, "digest mismatch: expected %s, got %s", expected,
		                 digest);
	if (blob_writer_commit_as(blob, digest, err) < 0)
		return -1;
	if (ret_digest)
		str_copy(ret_digest, SHA256_DIGEST_SIZE, digest);
	return 0;
}

int blob_writer_commit_as(struct blob_writer *blob, const char *digest, struct error *err)
{
	cleanup_free char *self = xasprintf("/proc/self/fd/%d", blob->fd);
	int result;

	if (digest_check(digest, err) < 0)
		return -1;
	if (fdatasync(blob->fd) < 0)
		return error_errno(err, errno, "write blob %s", digest);
	if (blob->temporary)
		result = linkat(blob->dir, blob->temporary, blob->dir, hex_of(digest), 0);
	else
		result = linkat(AT_FDCWD, self, blob->dir, hex_of(digest), AT_SYMLINK_FOLLOW);
	if (result < 0 && errno != EEXIST)
		return error_errno(err, errno, "name blob %s", digest);
	return 0;
}

void blob_writer_release(struct blob_writer *blob)
{
	if (blob->temporary)
		unlinkat(blob->dir, blob->temporary, 0);
	free(blob->temporary);
	close_fd(&blob->fd);
	close_fd(&blob->dir);
	*blob = (struct blob_writer)BLOB_WRITER_INIT;
}

int store_add_blob(struct store *store, const void *bytes, size_t len,
                   char ret_digest[SHA256_DIGEST_SIZE], struct error *err)
{
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;

	if (store_begin_blob(store, &blob, err) < 0 || blob_writer_add(&blob, bytes, len, err) < 0)
		return -1;
	return blob_writer_commit(&blob, NULL, ret_digest, err);
}
