/* dirs - sorted directory listings, and what is small about files. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Names without "." and "..", sorted by bytes; a missing directory is empty. */
int dir_names(const char *path, struct strv *ret, struct error *err);
/* As dir_names(), only regular files (through symlinks). */
int dir_files(const char *path, struct strv *ret, struct error *err);

bool path_is_file(const char *path);
bool path_is_executable(const char *path);

/* The directory name of a buildpack id: '/' becomes '_'. */
char *escaped_id(const char *id) must_check;

/* Whole file as text; ENOENT is in err->code. NUL bytes are an error. */
char *read_text(const char *path, size_t max, struct error *err) must_check;

/* rm -rf of a path; a missing one is fine. */
int remove_path(const char *path, struct error *err);

/* A new directory in $TMPDIR or /tmp; temp_dir_free() removes it and all in it. */
char *temp_dir_new(struct error *err) must_check;
void temp_dir_free(char *path);
static inline void freep_temp_dir(char **path)
{
	temp_dir_free(*path);
}
#define cleanup_temp_dir cleanup(freep_temp_dir)

/* Copies one regular file, bytes and permissions. */
int copy_file(const char *from, const char *to, struct error *err);
