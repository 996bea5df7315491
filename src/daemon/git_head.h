/*
 * git_head - which commit a folder's work tree is at, read from the files of
 * the repository: no git is run and no configuration of it obeyed.
 *
 * Knows .git folders and .git files (worktrees, submodules), symbolic refs, loose
 * and packed refs; of a reftable repository only that something changed.  All
 * input is bounded and distrusted.  Blocks on the disk.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct error;

#define GIT_COMMIT_SIZE 65 /* 64 hex digits (sha256) and the NUL */

struct git_head {
	bool is_repository; /* false: no .git at or above the folder */
	/* git is writing the work tree: HEAD may be moved in a moment. */
	bool is_busy;
	char commit[GIT_COMMIT_SIZE]; /* "": no commit yet */
	struct strv files; /* whose change may mean another commit, or the end of is_busy */
};

#define GIT_HEAD_INIT                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

void git_head_release(struct git_head *head);

int git_head_read(const char *folder, struct git_head *ret, struct error *err);

/* --- the files, one by one; `text` is NUL-terminated --- */

/* "gitdir: PATH"; the caller's path as written, or NULL. */
char *git_parse_link(const char *text, size_t len) must_check;

/* What HEAD or a ref says: *ret_ref (the caller's) or a commit; false when neither. */
bool git_parse_ref(const char *text, size_t len, char **ret_ref, char commit[GIT_COMMIT_SIZE]);

/* The ref's commit in a packed-refs file; false when it is not in it. */
bool git_parse_packed(const char *text, size_t len, const char *ref, char commit[GIT_COMMIT_SIZE]);

/* "refs/…" without anything that would leave the repository. */
bool git_is_ref(const char *ref);
