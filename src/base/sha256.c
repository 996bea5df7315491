#include "base/sha256.h"

#include "base/error.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "struct sha256 holds a SHA256_CTX");

static SHA256_CTX *context_of(struct sha256 *sha)
{
	return (SHA256_CTX *)(void *)sha->state;
}

void sha256_init(struct sha256 *sha)
{
	SHA256_Init(context_of(sha));
}

void sha256_add(struct sha256 *sha, const void *data, size_t len)
{
	SHA256_Update(context_of(sha), data, len);
}

void sha256_digest(struct sha256 *sha, char out[SHA256_DIGEST_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char *at = out + 7;

	SHA256_Final(sum, context_of(sha));
	memcpy(out, "sha256:", 7);
	for (size_t i = 0; i < sizeof(sum); i++) {
		*at++ = digits[sum[i] >> 4];
		*at++ = digits[sum[i] & 15];
	}
	*at = '\0';
}

void sha256_digest_of(const void *data, size_t len, char out[SHA256_DIGEST_SIZE])
{
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, data, len);
	sha256_digest(&sha, out);
}

int sha256_digest_fd(int fd, char out[SHA256_DIGEST_SIZE], struct error *err)
{
	static const size_t chunk = 256 * 1024;
	cleanup_free char *buf = malloc(chunk);
	struct sha256 sha;

	if (!buf)
		abort();
	sha256_init(&sha);
	for (;;) {
		ssize_t n = read(fd, buf, chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read");
		if (n == 0)
			break;
		sha256_add(&sha, buf, (size_t)n);
	}
	sha256_digest(&sha, out);
	return 0;
}
