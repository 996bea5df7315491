/* mem - allocation that aborts when memory is out, and formatted strings. */
#pragma once

#include "base/attrs.h"

#include <stdarg.h>

void *xmalloc(size_t size) must_check;
void *xcalloc(size_t count, size_t size) must_check;
void *xrealloc(void *ptr, size_t size) must_check;
char *xstrdup(const char *s) must_check;
char *xstrndup(const char *s, size_t len) must_check;
/* NULL stays NULL. */
char *xstrdup_null(const char *s) must_check;
void *xmemdup(const void *src, size_t len) must_check;
char *xasprintf(const char *fmt, ...) printf_like(1, 2) must_check;
char *xvasprintf(const char *fmt, va_list args) printf_like(1, 0) must_check;
