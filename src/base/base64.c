#include "base/base64.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct strbuf *out)
{
	const unsigned char *bytes = data;

	strbuf_grow(out, (len + 2) / 3 * 4);
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		strbuf_addch(out, digits[group >> 18]);
		strbuf_addch(out, digits[group >> 12 & 63]);
		strbuf_addch(out, left > 1 ? digits[group >> 6 & 63] : '=');
		strbuf_addch(out, left > 2 ? digits[group & 63] : '=');
	}
}

/* Four digits, the last `padding` of them "=", to 24 bits; false when they are none. */
static bool read_group(const char *text, size_t padding, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < 4 - padding ? strchr(digits, text[i]) : digits;

		if (!digit)
			return false;
		*ret = *ret << 6 | (uint32_t)(digit - digits);
	}
	/* What the padding cuts off must be zero, so that there is one text for each value. */
	return padding == 0 || (*ret & ((UINT32_C(1) << (8 * padding)) - 1)) == 0;
}

int base64_decode(const char *text, struct strbuf *out, struct error *err)
{
	size_t len = strlen(text), padding = 0, before = out->len;

	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len; i += 4) {
		size_t here = i + 4 < len ? 0 : padding;
		uint32_t group;
		unsigned char bytes[3];

		if (len % 4 != 0 || !read_group(text + i, here, &group)) {
			strbuf_truncate(out, before);
			return error_set(err, EBADMSG, "not base64");
		}
		bytes[0] = (unsigned char)(group >> 16);
		bytes[1] = (unsigned char)(group >> 8);
		bytes[2] = (unsigned char)group;
		strbuf_add(out, bytes, 3 - here);
	}
	return 0;
}
