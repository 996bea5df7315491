#include "base/strbuf.h"

#include "base/mem.h"

#include <string.h>

/* The contents of every empty buffer; never written, so that buf is never NULL. */
char strbuf_empty[1];

void strbuf_release(struct strbuf *sb)
{
	if (sb->cap)
		free(sb->buf);
	*sb = (struct strbuf){.buf = strbuf_empty, .max = sb->max};
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_truncate(sb, 0);
	sb->overflow = false;
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
	if (len >= sb->len)
		return;
	sb->len = len;
	sb->buf[len] = '\0';
}

void strbuf_grow(struct strbuf *sb, size_t extra)
{
	size_t need = sb->len + extra + 1;
	size_t cap = sb->cap ? sb->cap : 64;

	if (need <= sb->cap)
		return;
	if (need < extra)
		abort();
	while (cap < need)
		cap *= 2;
	sb->buf = xrealloc(sb->cap ? sb->buf : NULL, cap);
	sb->cap = cap;
	sb->buf[sb->len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	if (sb->max && len > sb->max - sb->len) {
		sb->overflow = true;
		len = sb->max - sb->len;
	}
	if (len == 0)
		return;
	strbuf_grow(sb, len);
	memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args)
{
	cleanup_free char *text = xvasprintf(fmt, args);

	strbuf_adds(sb, text);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	strbuf_vaddf(sb, fmt, args);
	va_end(args);
}

void strbuf_consume(struct strbuf *sb, size_t len)
{
	if (len == 0)
		return;
	if (len >= sb->len) {
		strbuf_truncate(sb, 0);
		return;
	}
	memmove(sb->buf, sb->buf + len, sb->len - len + 1);
	sb->len -= len;
}

char *strbuf_detach(struct strbuf *sb)
{
	char *text = sb->cap ? sb->buf : xstrdup("");

	*sb = (struct strbuf){.buf = strbuf_empty, .max = sb->max};
	return text;
}
