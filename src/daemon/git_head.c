#include "daemon/git_head.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/strbuf.h"

#include <errno.h>
#include <limits.h>

#define SMALL_MAX  (16u << 10) /* HEAD, a ref, a .git file */
#define PACKED_MAX (64u << 20)
#define REFS_DEEP  5 /* symbolic refs that point to each other */

void git_head_release(struct git_head *head)
{
	strv_release(&head->files);
}

/* --- parsers --- */

/* A line's end is no part of what it says. */
static size_t line_length(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);
	size_t n = end ? (size_t)(end - text) : len;

	return n > 0 && text[n - 1] == '\r' ? n - 1 : n;
}

char *git_parse_link(const char *text, size_t len)
{
	static const char prefix[] = "gitdir: ";
	size_t n = line_length(text, len), skip = sizeof(prefix) - 1;

	if (n <= skip || n - skip >= PATH_MAX || memcmp(text, prefix, skip) != 0 ||
	    memchr(text, '\0', n))
		return NULL;
	return xstrndup(text + skip, n - skip);
}

bool git_is_ref(const char *ref)
{
	if (!str_starts(ref, "refs/") || str_ends(ref, "/") || strlen(ref) >= PATH_MAX)
		return false;
	for (const char *c = ref; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127 || *c == '\\' ||
		    (c[0] == '/' && (c[1] == '/' || c[1] == '.')) || (c[0] == '.' && c[1] == '.'))
			return false;
	return true;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* A whole id, sha1 or sha256. */
static bool copy_commit(const char *text, size_t len, char commit[GIT_COMMIT_SIZE])
{
	if (len != 40 && len != 64)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_hex(text[i]))
			return false;
	memcpy(commit, text, len);
	commit[len] = '\0';
	return true;
}

bool git_parse_ref(const char *text, size_t len, char **ret_ref, char commit[GIT_COMMIT_SIZE])
{
	static const char prefix[] = "ref:";
	size_t n = line_length(text, len), at = sizeof(prefix) - 1;
	cleanup_free char *ref = NULL;

	if (n <= at || memcmp(text, prefix, at) != 0)
		return copy_commit(text, n, commit);
	while (at < n && text[at] == ' ')
		at++;
	ref = memchr(text, '\0', n) ? NULL : xstrndup(text + at, n - at);
	if (!ref || !git_is_ref(ref))
		return false;
	*ret_ref = take_ptr(ref);
	return true;
}

bool git_parse_packed(const char *text, size_t len, const char *ref, char commit[GIT_COMMIT_SIZE])
{
	size_t ref_len = strlen(ref);

	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = line_length(line, len - at);
		const char *space = memchr(line, ' ', n);

		at = end ? (size_t)(end - text) + 1 : len;
		if (*line == '#' || *line == '^' || !space)
			continue;
		if (n - (size_t)(space + 1 - line) == ref_len &&
		    memcmp(space + 1, ref, ref_len) == 0)
			return copy_commit(line, (size_t)(space - line), commit);
	}
	return false;
}

/* --- the repository --- */

struct repository {
	char *dir;    /* of this work tree: HEAD, index */
	char *common; /* of all work trees: refs */
};

static void repository_release(struct repository *repository)
{
	free(repository->dir);
	free(repository->common);
}

static char *linked_dir(const char *folder, const char *link, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *target = NULL;

	if (fs_read_file(link, SMALL_MAX, &text, err) < 0)
		return NULL;
	target = git_parse_link(text.buf, text.len);
	if (target)
		return path_absolute(folder, target);
	error_set(err, EINVAL, "%s is no link to a repository", link);
	return NULL;
}

/* A worktree's own folder names the repository's in `commondir`. */
static char *common_dir(const char *dir)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = path_join(dir, "commondir");
	cleanup_free char *target = NULL;

	if (fs_read_file(path, SMALL_MAX, &text, &ignored) < 0 || text.len == 0 ||
	    memchr(text.buf, '\0', text.len))
		return xstrdup(dir);
	target = xstrndup(text.buf, line_length(text.buf, text.len));
	return path_absolute(dir, target);
}

/* 1: found; 0: none at or above the folder. */
static int find_repository(const char *folder, struct repository *ret, struct error *err)
{
	cleanup_free char *at = xstrdup(folder);

	while (true) {
		cleanup_free char *link = path_join(at, ".git");
		cleanup_free char *parent = path_dir(at);

		if (fs_exists(link)) {
			ret->dir = fs_is_dir(link) ? xstrdup(link) : linked_dir(at, link, err);
			if (!ret->dir)
				return -1;
			ret->common = common_dir(ret->dir);
			return 1;
		}
		if (str_eq(parent, at))
			return 0;
		free(at);
		at = take_ptr(parent);
	}
}

static int read_small(const char *path, struct strbuf *out, struct error *err)
{
	strbuf_reset(out);
	if (!fs_exists(path))
		return 0;
	return fs_read_file(path, SMALL_MAX, out, err) < 0 ? -1 : 1;
}

static int read_packed(const char *path, const char *ref, struct git_head *head, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (!fs_exists(path))
		return 0;
	if (fs_read_file(path, PACKED_MAX, &text, err) < 0)
		return -1;
	/* Not in it either: a branch without a commit. */
	(void)git_parse_packed(text.buf, text.len, ref, head->commit);
	return 0;
}

static int follow(const struct repository *repository, struct git_head *head, struct error *err)
{
	cleanup_free char *path = path_join(repository->dir, "HEAD");
	cleanup_free char *packed = path_join(repository->common, "packed-refs");
	cleanup_free char *ref = NULL;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (int deep = 0; deep <= REFS_DEEP; deep++) {
		char *next = NULL;
		int found = read_small(path, &text, err);

		if (found < 0)
			return -1;
		strv_add(&head->files, path);
		if (!found) {
			strv_add(&head->files, packed);
			return ref ? read_packed(packed, ref, head, err) : 0;
		}
		if (!git_parse_ref(text.buf, text.len, &next, head->commit))
			return error_set(err, EINVAL, "%s cannot be understood", path);
		if (!next)
			return 0;
		free(ref);
		ref = next;
		free(path);
		path = path_join(repository->common, ref);
	}
	return error_set(err, ELOOP, "%s: refs point to each other", repository->dir);
}

/* Its refs are in binary tables; the list of tables is another with each change. */
static int read_reftable(const char *path, struct git_head *head, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char digest[SHA256_DIGEST_SIZE];

	if (fs_read_file(path, SMALL_MAX, &text, err) < 0)
		return -1;
	strv_add(&head->files, path);
	sha256_digest_of(text.buf, text.len, digest);
	(void)str_copy(head->commit, sizeof(head->commit), digest + strlen("sha256:"));
	return 0;
}

int git_head_read(const char *folder, struct git_head *ret, struct error *err)
{
	cleanup(repository_release) struct repository repository = {0};
	cleanup(git_head_release) struct git_head head = GIT_HEAD_INIT;
	cleanup_free char *lock = NULL, *tables = NULL;
	int found = find_repository(folder, &repository, err);

	if (found < 0)
		return -1;
	if (found) {
		head.is_repository = true;
		lock = path_join(repository.dir, "index.lock");
		tables = path_join(repository.common, "reftable/tables.list");
		strv_add(&head.files, lock);
		if ((fs_exists(tables) ? read_reftable(tables, &head, err)
		                       : follow(&repository, &head, err)) < 0)
			return -1;
		head.is_busy = fs_exists(lock);
	}
	*ret = head;
	head = (struct git_head)GIT_HEAD_INIT;
	return 0;
}
