#include "cnb/ignore.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>

#define FILE_MAX (1024 * 1024)

void ignore_release(struct ignore *ignore)
{
	array_foreach(rule, &ignore->rules)
		free(rule->pattern);
	array_release(&ignore->rules);
}

void ignore_add(struct ignore *ignore, const char *line, unsigned flags)
{
	struct ignore_rule rule = {0};
	size_t len;

	if (*line == '#')
		return;
	rule.is_negated = *line == '!';
	line += rule.is_negated;
	rule.is_rooted = (flags & IGNORE_ROOTED) || *line == '/';
	line += str_starts(line, "./") ? 2 : 0;
	line += *line == '/';
	len = strlen(line);
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	rule.only_dirs = len && line[len - 1] == '/';
	len -= rule.only_dirs;
	if (!len)
		return;
	rule.pattern = xstrndup(line, len);
	rule.is_rooted = rule.is_rooted || strchr(rule.pattern, '/');
	*array_add(&ignore->rules) = rule;
}

int ignore_add_file(struct ignore *ignore, int dir, const char *name, unsigned flags,
                    struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *rest = text.buf;
	char *line;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, errno, "open %s", name);
	if (fd_read_to_end(fd, &text, FILE_MAX, err) < 0)
		return error_wrap(err, "%s", name);
	rest = text.buf;
	while ((line = strsep(&rest, "\n")))
		ignore_add(ignore, line, flags);
	return 0;
}

/* The pattern's next part and the path's, without their slashes. */
static bool part_matches(const char *pattern, size_t pattern_len, const char *path, size_t path_len)
{
	cleanup_free char *want = xstrndup(pattern, pattern_len);
	cleanup_free char *have = xstrndup(path, path_len);

	return fnmatch(want, have, 0) == 0;
}

static bool path_matches(const char *pattern, const char *path)
{
	size_t pattern_len = strcspn(pattern, "/");
	size_t path_len = strcspn(path, "/");

	if (pattern_len == 2 && pattern[0] == '*' && pattern[1] == '*') {
		const char *rest = pattern + 2;

		if (!*rest)
			return *path != '\0';
		for (const char *at = path; at; at = strchr(at, '/')) {
			at += *at == '/';
			if (path_matches(rest + 1, at))
				return true;
		}
		return false;
	}
	if (!path_len || !part_matches(pattern, pattern_len, path, path_len))
		return false;
	if (!pattern[pattern_len] || !path[path_len])
		return pattern[pattern_len] == path[path_len];
	return path_matches(pattern + pattern_len + 1, path + path_len + 1);
}

static bool rule_matches(const struct ignore_rule *rule, const char *path, bool is_dir)
{
	const char *base = strrchr(path, '/');

	if (rule->only_dirs && !is_dir)
		return false;
	if (rule->is_rooted)
		return path_matches(rule->pattern, path);
	return fnmatch(rule->pattern, base ? base + 1 : path, 0) == 0;
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool is_dir)
{
	for (size_t i = ignore->rules.len; i > 0; i--)
		if (rule_matches(&ignore->rules.items[i - 1], path, is_dir))
			return !ignore->rules.items[i - 1].is_negated;
	return false;
}
