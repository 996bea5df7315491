/* managed_kind - the table that managed.c and managed_job.c share. */
#pragma once

#include "config/project.h"

/*
 * Words of a command may have {bin}, {program}, {host}, {port}, {data} and {run} in them.
 * A list ends with NULL.
 */
struct managed_kind {
	enum service_type type;
	const char *const *programs; /* the first that is there */
	const char *const *folders;  /* besides PATH; %s is a version */
	const char *package;         /* what to install; %s is a version, with a dash before it */
	const char *const *argv;
	const char *const *probe; /* NULL: the port */
	const char *const *init;  /* makes the data; NULL: an empty folder */
	const char *version_file; /* in the data: the version that made it */
	const char *socket;       /* in {run}: its path must fit into a socket's address */
	const char *url, *user;
	int stop_signal;
	bool refuses_root;
};

const struct managed_kind *managed_kind_of(enum service_type type);
const struct managed_kind *managed_kind_named(const char *name);

struct managed_words {
	const char *bin, *program, *data, *run;
	const char *host; /* in a URL */
	int port;
};
/* The words of a template, filled in. */
void managed_fill(const char *const *template, const struct managed_words *words, struct strv *out);
