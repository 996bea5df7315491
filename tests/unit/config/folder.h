/* folder - a temporary folder with files, for tests that read real ones. */
#pragma once

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

struct folder {
	char *path;
};

static inline struct folder folder_new(void)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char path[] = "/tmp/test-config-XXXXXX";

	assert_non_null(mkdtemp(path));
	return (struct folder){path_real(path, &err)};
}

static inline void folder_release(struct folder *folder)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(fs_remove_tree(AT_FDCWD, folder->path, &err), 0);
	free(folder->path);
}

/* Writes a file; folders in its name are made. */
static inline void folder_write(const struct folder *folder, const char *name, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(folder->path, name);
	cleanup_free char *dir = path_dir(path);

	assert_int_equal(fs_mkdirs(dir, 0755, &err), 0);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, &err), 0);
}
