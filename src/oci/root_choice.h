/*
 * root_choice - how containers get their root file system on this machine:
 *
 *   overlay         the kernel's, in the container's user namespace
 *   fuse-overlayfs  the program, where it is installed and /dev/fuse may be used
 *   copy            of the image's layers, sharing blocks where the file system can
 *
 * The first that works is taken.  It is found by trying, with an empty container, and
 * remembered for the boot, the image store and the folder of containers; the runtime
 * forgets it when the root of a container cannot be made after all.
 * LOCALD_CONTAINER_ROOT names one of them, and then nothing is tried.
 *
 * Blocks for some milliseconds when it tries.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>

struct error;

enum root_kind { ROOT_OVERLAY, ROOT_FUSE, ROOT_COPY, ROOT_KINDS };

extern const char *const root_kind_names[ROOT_KINDS];

struct root_choice {
	enum root_kind kind;
	char *program; /* of ROOT_FUSE; else NULL */
	char *why;     /* why it is none of those before it; NULL */
	char *memory;  /* the file; NULL: nothing was remembered */
	bool is_forced;
};

struct root_question {
	const char *shim, *store;
	const char *place;  /* a folder for an empty container: on the file system of the others */
	const char *memory; /* a file; NULL: it is found out anew, and not remembered */
};

/* -1 only for what is no choice: a wrong LOCALD_CONTAINER_ROOT, no room for a folder. */
int root_choose(const struct root_question *question, struct root_choice *ret, struct error *err);
void root_choice_release(struct root_choice *choice);
