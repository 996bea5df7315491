/*
 * attrs - compiler attributes and cleanup helpers every room may use.
 *
 * cleanup(fn) calls fn with a pointer to the variable when it leaves scope;
 * take_ptr() and take_fd() hand an owned value over and leave nothing behind.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/banned.h"

#define cleanup(fn)           __attribute__((cleanup(fn)))
#define must_check            __attribute__((warn_unused_result))
#define printf_like(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define unused_arg            __attribute__((unused))
#define no_return             __attribute__((noreturn))
#define fallthrough           __attribute__((fallthrough))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void free_ptr(void *ptr)
{
	free(*(void **)ptr);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define cleanup_free  cleanup(free_ptr)
#define cleanup_close cleanup(close_fd)
#define cleanup_file  cleanup(close_file)

/* Defines freep_x(struct x **) for use as cleanup(freep_x). */
#define DEFINE_FREEP(type)                                                                         \
	static inline void freep_##type(struct type **ptr)                                         \
	{                                                                                          \
		type##_free(*ptr);                                                                 \
	}

#define take_ptr(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) taken_ = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})

#define take_fd(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})
