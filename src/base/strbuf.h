/*
 * strbuf - a growable byte string that is always NUL-terminated.
 *
 * `buf` is never NULL and buf[len] is '\0'; the bytes before it may be any.  A
 * buffer with max > 0 never grows past it: further bytes are dropped and
 * `overflow` is set, which the owner must look at before using the result.
 *
 * Life: STRBUF_INIT or strbuf_init_max(), strbuf_release().  strbuf_detach()
 * hands the heap string over and leaves an empty buffer.
 */
#pragma once

#include "base/attrs.h"

#include <stdarg.h>
#include <stdbool.h>

struct strbuf {
	char *buf;
	size_t len, cap, max;
	bool overflow;
};

extern char strbuf_empty[1];

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		.buf = strbuf_empty                                                                \
	}
#define STRBUF_INIT_MAX(limit)                                                                     \
	{                                                                                          \
		.buf = strbuf_empty, .max = (limit)                                                \
	}

void strbuf_release(struct strbuf *sb);
void strbuf_reset(struct strbuf *sb);              /* keeps the storage */
void strbuf_grow(struct strbuf *sb, size_t extra); /* room for extra bytes */
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addch(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) printf_like(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args) printf_like(2, 0);
void strbuf_consume(struct strbuf *sb, size_t len); /* drops bytes at the front */
void strbuf_truncate(struct strbuf *sb, size_t len);
char *strbuf_detach(struct strbuf *sb) must_check;
