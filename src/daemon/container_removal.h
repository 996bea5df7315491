/*
 * container_removal - removes what a container leaves on the disk when it is over:
 * its bundle and its writable layer.
 *
 * A job does it, as the namespace's root.  Nobody else may touch the directory
 * meanwhile: a preparation asks container_removal_is_busy() and is told when it
 * may go on (prepare_resume()).
 */
#pragma once

#include <stdbool.h>

struct daemon;
struct service_snapshot;

/* A service that is at rest has its directory removed. */
void container_removal_on_state(struct daemon *daemon, const char *project,
                                const struct service_snapshot *service);
/* The same of one that is no service (any more). */
void container_removal_begin(struct daemon *daemon, const char *project, const char *service);
/* What an earlier daemon did not come to. */
void container_removal_sweep(struct daemon *daemon);
/* Calls fn(data) once, when no removal is under way (any more); at most one waits. */
void container_removal_when_done(struct daemon *daemon, void (*fn)(void *data), void *data);
bool container_removal_is_busy(const struct daemon *daemon, const char *dir);
void container_removal_release(struct daemon *daemon);
