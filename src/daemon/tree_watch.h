/*
 * tree_watch - tells which files below some folders change, by a rule.
 *
 * Follows folders that come, go and move.  Where the kernel has no more watches
 * for it, or there are very many folders, it looks each second.  Symbolic links to
 * folders are not followed.
 */
#pragma once

struct file_watch;
struct loop;
struct tree_watch;
struct watch_rule;

typedef void tree_watch_fn(const char *path, void *data);

/* files NULL: there is no inotify.  The rule must outlive it. */
struct tree_watch *tree_watch_new(struct loop *loop, struct file_watch *files,
                                  const struct watch_rule *rule, tree_watch_fn *fn, void *data);
void tree_watch_free(struct tree_watch *watch); /* NULL is fine; not inside its callback */

/* Why it looks each second, or why it has given up; NULL: it is told. */
const char *tree_watch_problem(const struct tree_watch *watch);
