/*
 * folder - a temporary folder for one test, as cmocka's setup and teardown.
 *
 * *state is its path.
 */
#pragma once

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

static inline int folder_make(void **state)
{
	char *path = xstrdup("/tmp/test_cnb.XXXXXX");

	*state = path;
	return mkdtemp(path) ? 0 : -1;
}

static inline int folder_remove(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int result = fs_remove_tree(AT_FDCWD, *state, &err);

	free(*state);
	return result;
}

/* A file below the folder, with the directories above it. */
static inline void folder_write(const char *folder, const char *name, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(folder, name);
	cleanup_free char *dir = path_dir(path);

	assert_int_equal(fs_mkdirs(dir, 0755, &err), 0);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, &err), 0);
}

static inline void folder_write_program(const char *folder, const char *name, const char *text)
{
	cleanup_free char *path = path_join(folder, name);

	folder_write(folder, name, text);
	assert_int_equal(chmod(path, 0755), 0);
}

static inline char *folder_read(const char *folder, const char *name)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(folder, name);
	struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, 1 << 20, &text, &err) < 0)
		return NULL;
	return strbuf_detach(&text);
}

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s", err.text);                                                  \
	} while (0)
