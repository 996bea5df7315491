/*
 * container_begun - tells when the runtime has executed a container's program.
 *
 * Until then the runtime may still fail, by itself or in execve(2).  While the container is made
 * the runtime's folder of it has no `config.json` (shim/state.h): its coming is what is watched.
 * A program may be over before anybody has looked; container_has_begun() knows that of an end.
 *
 * Owns: the watch.  Does not block.
 */
#pragma once

#include <stdbool.h>

struct container_begun;
struct daemon;
struct error;
struct paths;

typedef void container_begun_fn(void *data);

/* To be made before the start.  fn comes from the loop, and is to free it. */
struct container_begun *container_begun_watch(struct daemon *daemon, const char *id,
                                              container_begun_fn *fn, void *data,
                                              struct error *err);
/* NULL is fine. */
void container_begun_free(struct container_begun *begun);

/* Was the program of the run that has ended executed?  The bundle must be there still. */
bool container_has_begun(const struct paths *paths, const char *project, const char *service);
