/*
 * base64 - bytes as text, RFC 4648 section 4, with padding and without line ends.
 */
#pragma once

#include "base/attrs.h"

#include <stddef.h>

struct error;
struct strbuf;

void base64_encode(const void *data, size_t len, struct strbuf *out);
/* Appends the bytes; -1 with err when the text is not what base64_encode() makes. */
int base64_decode(const char *text, struct strbuf *out, struct error *err);
