#include "proxy/site_file.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- types --- */

static const struct {
	const char *ending, *type;
} types[] = {
	{".avif", "image/avif"},
	{".bin", "application/octet-stream"},
	{".css", "text/css; charset=utf-8"},
	{".csv", "text/csv; charset=utf-8"},
	{".gif", "image/gif"},
	{".gz", "application/gzip"},
	{".htm", "text/html; charset=utf-8"},
	{".html", "text/html; charset=utf-8"},
	{".ico", "image/vnd.microsoft.icon"},
	{".jpeg", "image/jpeg"},
	{".jpg", "image/jpeg"},
	{".js", "text/javascript; charset=utf-8"},
	{".json", "application/json"},
	{".map", "application/json"},
	{".md", "text/markdown; charset=utf-8"},
	{".mjs", "text/javascript; charset=utf-8"},
	{".mp3", "audio/mpeg"},
	{".mp4", "video/mp4"},
	{".ogg", "audio/ogg"},
	{".otf", "font/otf"},
	{".pdf", "application/pdf"},
	{".png", "image/png"},
	{".svg", "image/svg+xml"},
	{".tar", "application/x-tar"},
	{".ttf", "font/ttf"},
	{".txt", "text/plain; charset=utf-8"},
	{".wasm", "application/wasm"},
	{".wav", "audio/wav"},
	{".webm", "video/webm"},
	{".webmanifest", "application/manifest+json"},
	{".webp", "image/webp"},
	{".woff", "font/woff"},
	{".woff2", "font/woff2"},
	{".xml", "application/xml"},
	{".zip", "application/zip"},
};

const char *site_type_of(const char *path)
{
	const char *dot = strrchr(path_base(path), '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(types); i++)
		if (strcasecmp(dot, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* --- files --- */

void site_file_release(struct site_file *file)
{
	close_fd(&file->fd);
}

/* Is a part of the path one that begins with a dot? */
static bool is_hidden(const char *path)
{
	for (const char *part = path; *part; part += strcspn(part, "/")) {
		part += strspn(part, "/");
		if (*part != '.')
			continue;
		if (strncmp(part, ".well-known", 11) != 0 || (part[11] && part[11] != '/'))
			return true;
	}
	return false;
}

static int open_file(int rootfd, const char *path, struct site_file *file, struct stat *st,
                     struct error *err)
{
	/* Without O_NONBLOCK a FIFO would keep everybody waiting. */
	int fd = fs_open_beneath(rootfd, *path ? path : ".", O_RDONLY | O_NONBLOCK, 0, err);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) < 0 || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
		close(fd);
		return error_set(err, ENOENT, "neither a file nor a folder");
	}
	close_fd(&file->fd);
	file->fd = fd;
	return 0;
}

enum site_found site_file_open(const char *root, const char *path, struct site_file *file,
                               struct error *err)
{
	cleanup_close int rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *inside = path + strspn(path, "/");
	bool wants_folder = *inside == '\0' || str_ends(inside, "/");
	cleanup_free char *index = NULL;
	struct stat st;

	if (rootfd < 0) {
		error_set(err, errno, "%s: %s", root, strerror(errno));
		return SITE_NOT_FOUND;
	}
	if (is_hidden(inside)) {
		error_set(err, ENOENT, "hidden");
		return SITE_NOT_FOUND;
	}
	if (open_file(rootfd, inside, file, &st, err) < 0)
		return SITE_NOT_FOUND;
	if (S_ISDIR(st.st_mode) && !wants_folder)
		return SITE_FOLDER;
	if (!S_ISDIR(st.st_mode) && wants_folder) {
		error_set(err, ENOTDIR, "not a folder");
		return SITE_NOT_FOUND;
	}
	if (wants_folder) {
		inside = index = xasprintf("%sindex.html", inside);
		if (open_file(rootfd, inside, file, &st, err) < 0 || !S_ISREG(st.st_mode))
			return SITE_NOT_FOUND;
	}
	file->size = (uint64_t)st.st_size;
	file->changed = st.st_mtim;
	file->type = site_type_of(inside);
	snprintf(file->etag, sizeof(file->etag), "\"%llx-%llx-%llx\"",
	         (unsigned long long)st.st_mtim.tv_sec, (unsigned long long)st.st_mtim.tv_nsec,
	         (unsigned long long)st.st_size);
	return SITE_FILE;
}

/* --- conditions --- */

void site_format_date(time_t time, char out[SITE_DATE_SIZE])
{
	struct tm tm;

	gmtime_r(&time, &tm);
	strftime(out, SITE_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static bool parse_date(const char *text, time_t *ret)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!end || *end)
		return false;
	*ret = timegm(&tm);
	return true;
}

/* A list of entity tags, or "*"; compared weakly. */
static bool has_etag(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	if (str_eq(list, "*"))
		return true;
	for (const char *at = list; (at = strstr(at, etag)); at++)
		if (at[len] == '\0' || strchr(", \t", at[len]))
			return true;
	return false;
}

static bool is_unchanged(const struct site_file *file, const struct http_head *head)
{
	const char *none_match = http_head_get(head, "If-None-Match");
	const char *since = http_head_get(head, "If-Modified-Since");
	time_t time;

	if (none_match)
		return has_etag(none_match, file->etag);
	return since && parse_date(since, &time) && file->changed.tv_sec <= time;
}

/* Has the client a part of this very file? */
static bool is_range_wanted(const struct site_file *file, const struct http_head *head)
{
	const char *if_range = http_head_get(head, "If-Range");
	time_t time;

	if (!if_range)
		return true;
	if (*if_range == '"')
		return str_eq(if_range, file->etag);
	return parse_date(if_range, &time) && file->changed.tv_sec == time;
}

static bool take_number(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(**at - '0');
	}
	*ret = value;
	return *at > start;
}

/* One range: "bytes=0-99", "bytes=100-", "bytes=-5".  Anything else is as if it were not there. */
static void apply_range(const char *text, uint64_t size, struct site_answer *answer)
{
	uint64_t first = 0, last = size;
	bool has_first, has_last;

	if (!str_starts(text, "bytes="))
		return;
	text += strlen("bytes=");
	has_first = take_number(&text, &first);
	if (*text++ != '-')
		return;
	has_last = take_number(&text, &last);
	if (*text || (!has_first && !has_last) || (has_first && has_last && last < first))
		return;
	if (!has_first) {
		first = last < size ? size - last : 0;
		has_last = false;
		if (last == 0)
			first = size;
	}
	if (first >= size) {
		*answer = (struct site_answer){.status = 416};
		return;
	}
	if (!has_last || last >= size)
		last = size - 1;
	*answer = (struct site_answer){206, first, last - first + 1};
}

struct site_answer site_file_answer(const struct site_file *file, const struct http_head *head)
{
	struct site_answer answer = {200, 0, file->size};
	const char *range = http_head_get(head, "Range");

	if (is_unchanged(file, head))
		return (struct site_answer){.status = 304};
	if (range && str_eq(head->method, "GET") && is_range_wanted(file, head))
		apply_range(range, file->size, &answer);
	return answer;
}
