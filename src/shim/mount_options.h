/*
 * mount_options - the options of a mount, sorted by the system call that takes them.
 *
 * A word is an attribute of the mount (mount_setattr(2)), a propagation, one of
 * our own verbs, or a parameter of the file system.
 */
#pragma once

#include "base/attrs.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

struct mount_options {
	uint64_t attr_set, attr_clear;         /* MOUNT_ATTR_* of this mount */
	uint64_t attr_set_all, attr_clear_all; /* of it and all below */
	uint64_t propagation;                  /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */
	bool propagation_all;
	bool bind, recursive;  /* bind, rbind */
	bool idmap, idmap_all; /* idmap, ridmap */
	bool copy_up;          /* tmpcopyup */
	struct strv data;      /* "size=64k", for the file system */
};

/* Adds one option; ERR_UNSUPPORTED for those that are known and not done. */
int mount_options_add(struct mount_options *options, const char *word, struct error *err);
void mount_options_release(struct mount_options *options);

/* "rprivate" and its relatives as MS_* with MS_REC; 0 when it is none. */
unsigned long mount_propagation(const char *word);

/* Every option that is a word of ours, as a JSON array of the caller's. */
json_t *mount_options_known(void);
