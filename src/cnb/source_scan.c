#include "cnb/source.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cnb/ignore.h"
#include "config/toml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define DEPTH_MAX 128
/* A file that changed this shortly before the scan may change again without a new time. */
#define RACY_NS 2000000000

struct scan {
	int folder;
	struct ignore exclude, include;
	const struct source *known;
	struct source *source;
	bool only_stat;
};

static const char *const always_left_out[] = {
	".git/", ".hg/", ".svn/", "node_modules/", "__pycache__/", ".venv/",
};

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void scan_release(struct scan *scan)
{
	ignore_release(&scan->exclude);
	ignore_release(&scan->include);
}

void source_release(struct source *source)
{
	array_foreach(entry, &source->entries)
		free(entry->path);
	array_release(&source->entries);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct source_entry *)a)->path,
	              ((const struct source_entry *)b)->path);
}

static const struct source_entry *find_known(const struct scan *scan, const char *path)
{
	const struct source_entry key = {.path = (char *)path};

	if (!scan->known || !scan->known->entries.len)
		return NULL;
	return bsearch(&key, scan->known->entries.items, scan->known->entries.len, sizeof(key),
	               compare_entries);
}

static bool is_same_stat(const struct source_entry *a, const struct source_entry *b)
{
	return a->type == b->type && a->mode == b->mode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->inode == b->inode;
}

/* Is the path, or a directory above it, named by a pattern of `include`? */
static bool is_included(const struct scan *scan, const char *path, bool is_dir)
{
	cleanup_free char *above = xstrdup(path);
	char *slash;

	if (!scan->include.rules.len || is_dir || ignore_matches(&scan->include, path, false))
		return true;
	while ((slash = strrchr(above, '/'))) {
		*slash = '\0';
		if (ignore_matches(&scan->include, above, true))
			return true;
	}
	return false;
}

static int hash_file(int dir, const char *name, struct source_entry *entry, struct error *err)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "read %s", entry->path);
	return sha256_digest_fd(fd, entry->digest, err);
}

static int hash_link(int dir, const char *name, struct source_entry *entry, struct error *err)
{
	char target[4096];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	if (len < 0)
		return error_errno(err, errno, "read link %s", entry->path);
	sha256_digest_of(target, (size_t)len, entry->digest);
	return 0;
}

static int hash_entry(struct scan *scan, int dir, const char *name, struct source_entry *entry,
                      struct error *err)
{
	const struct source_entry *known = find_known(scan, entry->path);

	if (entry->type == 'd' || scan->only_stat)
		return 0;
	if (known && is_same_stat(known, entry) &&
	    known->ctime_ns < scan->known->scanned_ns - RACY_NS) {
		str_copy(entry->digest, sizeof(entry->digest), known->digest);
		return 0;
	}
	scan->source->hashed++;
	return entry->type == 'f' ? hash_file(dir, name, entry, err)
	                          : hash_link(dir, name, entry, err);
}

static char type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return 'f';
	if (S_ISDIR(mode))
		return 'd';
	return S_ISLNK(mode) ? 'l' : '\0';
}

static int64_t nanoseconds(const struct timespec *time)
{
	return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static int scan_dir(struct scan *scan, int dirfd, const char *prefix, int depth, struct error *err);

static int scan_entry(struct scan *scan, int dir, const char *prefix, const char *name, int depth,
                      struct error *err)
{
	cleanup_free char *path = *prefix ? path_join(prefix, name) : xstrdup(name);
	struct source_entry entry = {.path = path};
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "look at %s", path);
	entry.type = type_of(st.st_mode);
	if (!entry.type || ignore_matches(&scan->exclude, path, entry.type == 'd') ||
	    !is_included(scan, path, entry.type == 'd'))
		return 0;
	if (scan->source->entries.len == SOURCE_ENTRIES_MAX) {
		error_set(err, EFBIG, "the source has more than %d files", SOURCE_ENTRIES_MAX);
		return error_hint(err, "leave folders out with build.exclude or .dockerignore");
	}
	entry.mode = st.st_mode & 0777;
	/* What a directory's own size and times say, its entries say better. */
	if (entry.type != 'd') {
		entry.size = st.st_size;
		entry.mtime_ns = nanoseconds(&st.st_mtim);
		entry.ctime_ns = nanoseconds(&st.st_ctim);
		entry.inode = st.st_ino;
	}
	if (hash_entry(scan, dir, name, &entry, err) < 0)
		return -1;
	*array_add(&scan->source->entries) = entry;
	path = NULL;
	if (entry.type != 'd')
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open %s", entry.path);
	return scan_dir(scan, fd, entry.path, depth + 1, err);
}

/* Takes the descriptor. */
static int scan_dir(struct scan *scan, int dirfd, const char *prefix, int depth, struct error *err)
{
	cleanup(close_dir) DIR *dir = fdopendir(dirfd);
	/* The array that the prefix is in may move. */
	cleanup_free char *own_prefix = xstrdup(prefix);
	struct dirent *item;

	if (!dir) {
		close(dirfd);
		return error_errno(err, errno, "open %s", prefix);
	}
	if (depth > DEPTH_MAX)
		return error_set(err, ELOOP, "%s: folders are nested too deep", own_prefix);
	for (errno = 0; (item = readdir(dir)); errno = 0) {
		if (str_eq(item->d_name, ".") || str_eq(item->d_name, ".."))
			continue;
		if (scan_entry(scan, dirfd, own_prefix, item->d_name, depth, err) < 0)
			return -1;
	}
	return errno ? error_errno(err, errno, "read %s", own_prefix) : 0;
}

static void add_patterns(struct ignore *ignore, const struct toml_table *table, const char *key)
{
	const struct toml_value *list = toml_get_array(table, key);

	if (!list)
		return;
	array_foreach(item, &list->array)
		if (toml_is_c_string(item))
			ignore_add(ignore, item->string.text, 0);
}

/* project.toml, schema 0.2 ([io.buildpacks]) and 0.1 ([build]). */
static int read_project(struct scan *scan, struct error *err)
{
	static const char name[] = "project.toml";
	cleanup_close int fd =
		openat(scan->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_toml struct toml_table *root = NULL;
	const struct toml_table *tables[2];
	struct toml_pos pos = {0};

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, errno, "open %s", name);
	if (fd_read_to_end(fd, &text, TOML_MAX_BYTES, err) < 0)
		return error_wrap(err, "%s", name);
	root = toml_parse(text.buf, text.len, &pos, err);
	if (!root)
		return error_wrap(err, "%s:%d:%d", name, pos.line, pos.column);
	tables[0] = toml_get_table(toml_get_table(root, "io"), "buildpacks");
	tables[1] = toml_get_table(root, "build");
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		add_patterns(&scan->exclude, tables[i], "exclude");
		add_patterns(&scan->include, tables[i], "include");
	}
	return 0;
}

static int read_patterns(struct scan *scan, const struct strv *exclude, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(always_left_out); i++)
		ignore_add(&scan->exclude, always_left_out[i], 0);
	if (ignore_add_file(&scan->exclude, scan->folder, ".dockerignore", IGNORE_ROOTED, err) <
	            0 ||
	    read_project(scan, err) < 0)
		return -1;
	for (size_t i = 0; i < exclude->len; i++)
		ignore_add(&scan->exclude, exclude->items[i], 0);
	return 0;
}

static void digest_entries(struct source *source)
{
	struct sha256 sha;

	sha256_init(&sha);
	array_foreach(entry, &source->entries) {
		cleanup_free char *line =
			xasprintf("%c %o %s ", entry->type, entry->mode, entry->digest);

		sha256_add(&sha, line, strlen(line));
		sha256_add(&sha, entry->path, strlen(entry->path) + 1);
	}
	sha256_digest(&sha, source->digest);
}

static int run_scan(struct scan *scan, const struct strv *exclude, struct error *err)
{
	int fd;

	scan->source->scanned_ns = clock_real_ns();
	if (read_patterns(scan, exclude, err) < 0)
		return -1;
	fd = openat(scan->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open the source folder");
	if (scan_dir(scan, fd, "", 0, err) < 0)
		return -1;
	array_sort(&scan->source->entries, compare_entries);
	digest_entries(scan->source);
	return 0;
}

int source_scan(int folder, const struct strv *exclude, const struct source *known,
                struct source *ret, struct error *err)
{
	cleanup(scan_release) struct scan scan = {.folder = folder, .known = known, .source = ret};

	return run_scan(&scan, exclude, err);
}

int source_is_unchanged(int folder, const struct strv *exclude, const struct source *source,
                        struct error *err)
{
	cleanup(source_release) struct source now = {0};
	cleanup(scan_release) struct scan scan = {
		.folder = folder, .source = &now, .only_stat = true};

	if (run_scan(&scan, exclude, err) < 0)
		return -1;
	if (now.entries.len != source->entries.len)
		return 0;
	for (size_t i = 0; i < now.entries.len; i++)
		if (!str_eq(now.entries.items[i].path, source->entries.items[i].path) ||
		    !is_same_stat(&now.entries.items[i], &source->entries.items[i]))
			return 0;
	return 1;
}
