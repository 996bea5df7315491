#include "lifecycle/untar.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BLOCK       512
#define PAX_MAX     (1024 * 1024)
#define BUFFER_SIZE (256 * 1024)

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
	char type;
	char linkname[100], magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8];
	char prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

struct entry {
	char *name, *target;
	char type;
	mode_t mode;
	int64_t size, mtime;
};

struct reader {
	int fd;
	int root; /* the layer's directory */
	const char *dir;
	char *pax_name, *pax_target;
	char *buffer;
};

static void reader_release(struct reader *reader)
{
	close_fd(&reader->fd);
	close_fd(&reader->root);
	free(reader->pax_name);
	free(reader->pax_target);
	free(reader->buffer);
}

static void entry_release(struct entry *entry)
{
	free(entry->name);
	free(entry->target);
}

static int bad(struct error *err, const char *what)
{
	return error_set(err, EBADMSG, "not a tar of ours: %s", what);
}

static int octal(const char *field, size_t len, int64_t *ret, struct error *err)
{
	int64_t value = 0;

	for (size_t i = 0; i < len && field[i] && field[i] != ' '; i++) {
		if (field[i] < '0' || field[i] > '7')
			return bad(err, "a number is not octal");
		value = value * 8 + (field[i] - '0');
	}
	*ret = value;
	return 0;
}

static int check_sum(const struct header *header, struct error *err)
{
	const unsigned char *bytes = (const unsigned char *)header;
	size_t at = offsetof(struct header, checksum);
	int64_t want = 0, sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= at && i < at + sizeof(header->checksum) ? ' ' : bytes[i];
	if (octal(header->checksum, sizeof(header->checksum), &want, err) < 0)
		return -1;
	return sum == want ? 0 : bad(err, "wrong checksum");
}

/* "len key=value\n" records. */
static int read_pax_record(struct reader *reader, char **at, char *end, struct error *err)
{
	cleanup_free char *digits = xstrndup(*at, strspn(*at, "0123456789"));
	int64_t len;
	char *key, *value;

	if (str_to_int(digits, 5, end - *at, &len, err) < 0)
		return bad(err, "a PAX record has a wrong length");
	key = *at + strlen(digits) + 1;
	*at += len;
	value = memchr(key, '=', (size_t)(*at - key));
	if (!value || (*at)[-1] != '\n')
		return bad(err, "a PAX record is malformed");
	*value++ = '\0';
	(*at)[-1] = '\0';
	if (str_eq(key, "path")) {
		free(reader->pax_name);
		reader->pax_name = xstrdup(value);
	} else if (str_eq(key, "linkpath")) {
		free(reader->pax_target);
		reader->pax_target = xstrdup(value);
	} else {
		return bad(err, "a PAX record is neither path nor linkpath");
	}
	return 0;
}

static int read_pax(struct reader *reader, int64_t size, struct error *err)
{
	int64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
	cleanup_free char *text = NULL;

	if (size < 5 || size > PAX_MAX)
		return bad(err, "a PAX header has a wrong size");
	text = xcalloc(1, (size_t)padded + 1);
	if (fd_read_exact(reader->fd, text, (size_t)padded, err) < 0)
		return -1;
	for (char *at = text; at < text + size;)
		if (read_pax_record(reader, &at, text + size, err) < 0)
			return -1;
	return 0;
}

static char *header_name(const struct header *header)
{
	cleanup_free char *name = xstrndup(header->name, sizeof(header->name));
	cleanup_free char *prefix = xstrndup(header->prefix, sizeof(header->prefix));

	return *prefix ? xasprintf("%s/%s", prefix, name) : take_ptr(name);
}

/* 1 with an entry, 0 at the end. */
static int next_entry(struct reader *reader, struct entry *ret, struct error *err)
{
	static const char zeros[BLOCK];
	struct header header;
	int64_t mode = 0;

	for (;;) {
		if (fd_read_exact(reader->fd, &header, BLOCK, err) < 0)
			return -1;
		if (memcmp(&header, zeros, BLOCK) == 0)
			return 0;
		if (check_sum(&header, err) < 0 ||
		    octal(header.size, sizeof(header.size), &ret->size, err) < 0 ||
		    octal(header.mode, sizeof(header.mode), &mode, err) < 0 ||
		    octal(header.mtime, sizeof(header.mtime), &ret->mtime, err) < 0)
			return -1;
		if (header.type != 'x')
			break;
		if (read_pax(reader, ret->size, err) < 0)
			return -1;
	}
	ret->type = header.type;
	ret->mode = (mode_t)mode & 07777;
	ret->name = reader->pax_name ? take_ptr(reader->pax_name) : header_name(&header);
	ret->target = reader->pax_target ? take_ptr(reader->pax_target)
	                                 : xstrndup(header.linkname, sizeof(header.linkname));
	return 1;
}

/* The part of a name below the layer; "" for the layer itself; NULL when it is not in it. */
static const char *inside(const struct reader *reader, const char *name)
{
	size_t len = strlen(reader->dir);

	if (strncmp(name, reader->dir, len) != 0)
		return NULL;
	if (!name[len])
		return "";
	return name[len] == '/' ? name + len + 1 : NULL;
}

static bool is_above(const struct reader *reader, const struct entry *entry)
{
	size_t len = strlen(entry->name);

	return entry->type == '5' && strncmp(reader->dir, entry->name, len) == 0 &&
	       reader->dir[len] == '/';
}

static int set_times(int dirfd, const char *name, int64_t mtime, struct error *err)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	if (utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "set the time of %s", name);
	return 0;
}

static int write_file(struct reader *reader, int parent, const char *name,
                      const struct entry *entry, struct error *err)
{
	cleanup_close int fd =
		openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t left = entry->size;
	int64_t padding = (BLOCK - entry->size % BLOCK) % BLOCK;

	if (fd < 0)
		return error_errno(err, errno, "make %s", entry->name);
	while (left > 0) {
		size_t chunk = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;

		if (fd_read_exact(reader->fd, reader->buffer, chunk, err) < 0 ||
		    fd_write_all(fd, reader->buffer, chunk, err) < 0)
			return error_wrap(err, "%s", entry->name);
		left -= (int64_t)chunk;
	}
	if (padding && fd_read_exact(reader->fd, reader->buffer, (size_t)padding, err) < 0)
		return -1;
	if (fchmod(fd, entry->mode) < 0)
		return error_errno(err, errno, "set the mode of %s", entry->name);
	return set_times(parent, name, entry->mtime, err);
}

static int make_entry(struct reader *reader, int parent, const char *name,
                      const struct entry *entry, struct error *err)
{
	switch (entry->type) {
	case '0':
		return write_file(reader, parent, name, entry, err);
	case '2':
		if (symlinkat(entry->target, parent, name) < 0)
			return error_errno(err, errno, "make %s", entry->name);
		return set_times(parent, name, entry->mtime, err);
	case '5':
		/* Writable for what comes into it. */
		if (mkdirat(parent, name, 0700) < 0 ||
		    fchmodat(parent, name, entry->mode | 0700, 0) < 0)
			return error_errno(err, errno, "make %s", entry->name);
		return 0;
	case '6':
		if (mkfifoat(parent, name, entry->mode) < 0)
			return error_errno(err, errno, "make %s", entry->name);
		return 0;
	default:
		return bad(err, "an entry of unknown type");
	}
}

static int take_entry(struct reader *reader, const struct entry *entry, struct error *err)
{
	const char *path = inside(reader, entry->name);
	cleanup_free char *dir = NULL;
	cleanup_close int parent = -1;

	if (!path && is_above(reader, entry))
		return 0;
	if (!path)
		return bad(err, "an entry lies outside of the layer");
	if (!*path) {
		if (entry->type != '5')
			return bad(err, "the layer is not a directory");
		return fchmod(reader->root, entry->mode | 0700) < 0
		               ? error_errno(err, errno, "set the mode of %s", reader->dir)
		               : 0;
	}
	dir = path_dir(path);
	parent = fs_open_beneath(reader->root, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, err);
	if (parent < 0)
		return error_wrap(err, "%s", entry->name);
	return make_entry(reader, parent, path_base(path), entry, err);
}

int untar_layer(const char *tar, const char *dir, struct error *err)
{
	cleanup(reader_release) struct reader reader = {.fd = -1, .root = -1, .dir = dir};

	reader.fd = open(tar, O_RDONLY | O_CLOEXEC);
	if (reader.fd < 0)
		return error_errno(err, errno, "open %s", tar);
	if (mkdir(dir, 0755) < 0)
		return error_errno(err, errno, "make %s", dir);
	reader.root = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (reader.root < 0)
		return error_errno(err, errno, "open %s", dir);
	reader.buffer = xmalloc(BUFFER_SIZE);
	for (;;) {
		cleanup(entry_release) struct entry entry = {0};
		int more = next_entry(&reader, &entry, err);

		if (more <= 0)
			return more;
		if (take_entry(&reader, &entry, err) < 0)
			return -1;
	}
}
