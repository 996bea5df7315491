/*
 * file_watch - tells when names in folders change (inotify).
 *
 * One descriptor serves everybody, since a user has few of them; a folder that
 * several users watch costs one watch.  It says that something happened to a
 * name, not what is there now: look at the disk.  Only folders are watched:
 * editors replace files, and a watch on a file is then on the old one.
 *
 * When the kernel has no more watches, file_watch_add() fails with ENOSPC; the
 * caller then has to look again and again by itself.
 */
#pragma once

#include <stdint.h>
#include <sys/inotify.h>

struct error;
struct file_watch;
struct loop;
struct watched_folder;

/* What may change the content of a name. */
#define FILE_WATCH_CONTENT                                                                         \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB)
/* Names that come. */
#define FILE_WATCH_ARRIVAL (IN_CREATE | IN_MOVED_TO)

/*
 * name NULL: the folder itself was removed or moved (the watch is dead when events
 * has IN_IGNORED), or events were lost (IN_Q_OVERFLOW): anything may have changed.
 * IN_ISDIR tells a folder.
 */
typedef void file_watch_fn(struct watched_folder *folder, const char *name, uint32_t events,
                           void *data);

/* NULL with err when there is no descriptor for it. */
struct file_watch *file_watch_new(struct loop *loop, struct error *err);
/* Every folder has to be freed before. NULL is fine. */
void file_watch_free(struct file_watch *watch);

/* events: IN_…; that the folder itself goes is told always. */
struct watched_folder *file_watch_add(struct file_watch *watch, const char *path, uint32_t events,
                                      file_watch_fn *fn, void *data, struct error *err);
/* Takes effect at once, inside callbacks too.  NULL is fine. */
void watched_folder_free(struct watched_folder *folder);
