#include "cnb/source.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define INDEX_MAX   (256 * 1024 * 1024)
#define INDEX_MAGIC "locald source 1"
#define NAMES_SHOWN 3

struct copy {
	int folder, to;
	const struct source *source;
};

/* ---- the scan in a file: a header and one record for each entry, each ended by NUL ---- */

int source_save(const char *path, const struct source *source, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, INDEX_MAGIC " %" PRId64 " %s", source->scanned_ns, source->digest);
	strbuf_addch(&text, '\0');
	array_foreach(entry, &source->entries) {
		strbuf_addf(&text, "%c %o %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64 " %s %s",
		            entry->type, entry->mode, entry->size, entry->mtime_ns, entry->ctime_ns,
		            entry->inode, *entry->digest ? entry->digest : "-", entry->path);
		strbuf_addch(&text, '\0');
	}
	return fs_write_atomic(path, text.buf, text.len, 0600, err);
}

static bool load_entry(const char *record, struct source_entry *ret)
{
	int at = -1;

	if (sscanf(record, "%c %o %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNu64 " %71s %n",
	           &ret->type, &ret->mode, &ret->size, &ret->mtime_ns, &ret->ctime_ns, &ret->inode,
	           ret->digest, &at) != 7 ||
	    at < 0 || !record[at])
		return false;
	if (str_eq(ret->digest, "-"))
		ret->digest[0] = '\0';
	ret->path = xstrdup(record + at);
	return true;
}

static bool load_entries(const struct strbuf *text, struct source *source)
{
	const char *end = text->buf + text->len;
	const char *at = text->buf;

	if (!text->len || end[-1] != '\0' ||
	    sscanf(at, INDEX_MAGIC " %" SCNd64 " %71s", &source->scanned_ns, source->digest) != 2)
		return false;
	for (at += strlen(at) + 1; at < end; at += strlen(at) + 1) {
		struct source_entry entry = {0};

		if (!load_entry(at, &entry))
			return false;
		*array_add(&source->entries) = entry;
	}
	return true;
}

void source_load(const char *path, struct source *ret)
{
	cleanup(error_release) struct error unreadable = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, INDEX_MAX, &text, &unreadable) == 0 && load_entries(&text, ret))
		return;
	source_release(ret);
	*ret = (struct source){0};
}

/* ---- differences ---- */

struct changes {
	struct strv names;
	size_t count;
	const char *verb; /* of the only change */
};

static void note_change(struct changes *changes, const struct source_entry *entry, const char *verb)
{
	/* A new file tells of its new directory. */
	if (entry->type == 'd' && changes->count)
		return;
	changes->count++;
	changes->verb = verb;
	if (changes->names.len < NAMES_SHOWN)
		strv_add(&changes->names, entry->path);
}

static void find_changes(const struct source *before, const struct source *after,
                         struct changes *changes)
{
	size_t i = 0, j = 0;

	while (i < before->entries.len || j < after->entries.len) {
		const struct source_entry *old =
			i < before->entries.len ? &before->entries.items[i] : NULL;
		const struct source_entry *new =
			j < after->entries.len ? &after->entries.items[j] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->path, new->path);

		if (order < 0) {
			note_change(changes, old, "was removed");
		} else if (order > 0) {
			note_change(changes, new, "is new");
		} else if (old->type != new->type || old->mode != new->mode ||
		           !str_eq(old->digest, new->digest)) {
			note_change(changes, new, "changed");
		}
		i += order <= 0;
		j += order >= 0;
	}
}

char *source_difference(const struct source *before, const struct source *after)
{
	struct changes changes = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	find_changes(before, after, &changes);
	if (!changes.count)
		strbuf_adds(&text, "no file changed");
	else if (changes.count == 1)
		strbuf_addf(&text, "%s %s", changes.names.items[0], changes.verb);
	else
		strbuf_addf(&text, "%zu files changed: ", changes.count);
	for (size_t i = 0; changes.count > 1 && i < changes.names.len; i++)
		strbuf_addf(&text, "%s%s", i ? ", " : "", changes.names.items[i]);
	if (changes.count > NAMES_SHOWN)
		strbuf_adds(&text, ", …");
	strv_release(&changes.names);
	return strbuf_detach(&text);
}

/* ---- the copy ---- */

static int copy_file(const struct copy *copy, const struct source_entry *entry,
                     const struct owner_ids *ids, struct error *err)
{
	cleanup_close int from = fs_open_beneath(copy->folder, entry->path,
	                                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
	cleanup_close int to = -1;

	if (from < 0)
		return -1;
	to = fs_open_beneath(copy->to, entry->path, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
	if (to < 0)
		return -1;
	if (fd_copy(from, to, err) < 0)
		return error_wrap(err, "%s", entry->path);
	if (fchown(to, ids->uid, ids->gid) < 0 || fchmod(to, entry->mode | 0600) < 0)
		return error_errno(err, errno, "give %s to the builder's user", entry->path);
	return 0;
}

static int copy_link(const struct copy *copy, const struct source_entry *entry,
                     const struct owner_ids *ids, struct error *err)
{
	char target[4096];
	ssize_t len = readlinkat(copy->folder, entry->path, target, sizeof(target) - 1);

	if (len < 0)
		return error_errno(err, errno, "read link %s", entry->path);
	target[len] = '\0';
	/* The copy is ours alone: its directories are no symlinks. */
	if (symlinkat(target, copy->to, entry->path) < 0 ||
	    fchownat(copy->to, entry->path, ids->uid, ids->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "copy %s", entry->path);
	return 0;
}

static int copy_dir(const struct copy *copy, const struct source_entry *entry,
                    const struct owner_ids *ids, struct error *err)
{
	if (mkdirat(copy->to, entry->path, 0700) < 0 ||
	    fchmodat(copy->to, entry->path, entry->mode | 0700, 0) < 0 ||
	    fchownat(copy->to, entry->path, ids->uid, ids->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "copy %s", entry->path);
	return 0;
}

static int copy_all(const struct owner_ids *ids, void *data, struct error *err)
{
	const struct copy *copy = data;

	/* Sorted by path, a directory comes before what is in it. */
	array_foreach(entry, &copy->source->entries) {
		int result = entry->type == 'f'   ? copy_file(copy, entry, ids, err)
		             : entry->type == 'l' ? copy_link(copy, entry, ids, err)
		                                  : copy_dir(copy, entry, ids, err);

		if (result < 0)
			return -1;
	}
	return 0;
}

int source_copy(int folder, const struct source *source, int to, const struct owner *owner,
                struct error *err)
{
	struct copy copy = {folder, to, source};

	return owner_run(owner, copy_all, &copy, err);
}
