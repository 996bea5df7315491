/*
 * config_watch - tells when one of a set of files may have changed, come or gone.
 *
 * Follows what a path goes through: folders that are not there yet or are
 * replaced as a whole, symbolic links and what they point to.  It is told once
 * things have been quiet for a moment.  What is in the files is not its
 * business, so it may tell too often, never too seldom.
 *
 * Where the kernel gives no watches it looks twice a second.
 */
#pragma once

#include "base/str.h"

struct config_watch;
struct file_watch;
struct loop;

struct config_watch_events {
	void (*on_event)(void *data); /* at once, for each; it must be cheap */
	void (*on_quiet)(void *data); /* it may free the watch */
};

/* files NULL: there is no inotify.  `root`: below it folders may be replaced as a whole. */
struct config_watch *config_watch_new(struct loop *loop, struct file_watch *files, const char *root,
                                      const struct config_watch_events *events, void *data);
void config_watch_free(struct config_watch *watch); /* NULL is fine */

/* Watches these absolute paths instead of those before; what is pending stays so. */
void config_watch_set(struct config_watch *watch, const struct strv *paths);

/* Tells after the usual delay, as if something had changed. */
void config_watch_poke(struct config_watch *watch);

/* Why it has to look twice a second; NULL: it is told. */
const char *config_watch_polls_because(const struct config_watch *watch);
