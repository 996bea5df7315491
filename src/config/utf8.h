/* utf8 - is it UTF-8?  See RFC 3629: no overlong forms, no surrogates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The length in bytes of the character at s, 0 when there is none of at most len bytes. */
size_t utf8_length(const char *s, size_t len);

/* The offset of the first byte that is not UTF-8; len when all is. */
size_t utf8_check(const char *s, size_t len);
