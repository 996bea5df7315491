/*
 * site - serves the files of a folder on a port of this machine: a service of
 * type "site".
 *
 * A request is one line of the log.  GET and HEAD only; a missing file is the
 * folder's 404.html where there is one.  Which file, and what of it: site_file.h.
 */
#pragma once

#include <stddef.h>

struct error;
struct loop;
struct site;

/* Takes the listening sockets, on failure too. */
struct site *site_new(struct loop *loop, const char *root, int *fds, size_t count,
                      struct error *err);
void site_free(struct site *site);
