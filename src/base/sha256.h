/*
 * sha256 - SHA-256 by OpenSSL's low-level functions (they use the CPU's SHA
 * instructions and link statically without the rest of libcrypto).
 */
#pragma once

#include "base/attrs.h"

#include <stddef.h>
#include <stdint.h>

struct error;

#define SHA256_HEX_SIZE    65 /* with the NUL */
#define SHA256_DIGEST_SIZE 72 /* "sha256:" + hex + NUL */

struct sha256 {
	uint32_t state[32]; /* holds OpenSSL's SHA256_CTX */
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t len);
/* "sha256:<64 hex digits>" */
void sha256_digest(struct sha256 *sha, char out[SHA256_DIGEST_SIZE]);

void sha256_digest_of(const void *data, size_t len, char out[SHA256_DIGEST_SIZE]);
int sha256_digest_fd(int fd, char out[SHA256_DIGEST_SIZE], struct error *err);
