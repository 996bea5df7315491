#include "oci/tar_writer.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <string.h>

#define BLOCK_SIZE   512
#define NAME_SIZE    100
#define PREFIX_SIZE  155
#define NAME_MAX_PAX 65536

struct header {
	char name[NAME_SIZE];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char target[NAME_SIZE];
	char magic[6];
	char version[2];
	char user[32];
	char group[32];
	char dev_major[8];
	char dev_minor[8];
	char prefix[PREFIX_SIZE];
	char unused[12];
};

_Static_assert(sizeof(struct header) == BLOCK_SIZE, "a tar header is one block");

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* What a PAX header's companion shows to readers that do not know PAX. */
static char *ascii_only(const char *s)
{
	struct strbuf out = STRBUF_INIT;

	for (; *s; s++)
		if ((unsigned char)*s < 0x80)
			strbuf_addch(&out, *s);
	return strbuf_detach(&out);
}

static bool fits_octal(uint64_t value, size_t field)
{
	return value < (uint64_t)1 << ((field - 1) * 3);
}

/* Zero-padded and NUL-terminated; zero for what does not fit (PAX carries it then). */
static void put_octal(char *field, size_t size, uint64_t value)
{
	if (!fits_octal(value, size))
		value = 0;
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

/* Text that is cut must not end in a slash: old readers would take it for a directory. */
static void put_text(char *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len > size) {
		len = size;
		while (len > 0 && text[size - 1] == '/' && text[len - 1] == '/')
			len--;
	}
	memcpy(field, text, len);
}

static void put_checksum(struct header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	uint32_t sum = 0;

	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < BLOCK_SIZE; i++)
		sum += bytes[i];
	put_octal(header->checksum, 7, sum);
}

/* Where a ustar name is split in prefix and name; 0 when it cannot be. */
static size_t split_point(const char *name)
{
	size_t len = strlen(name), at;

	if (len <= NAME_SIZE || !is_ascii(name))
		return 0;
	at = len > PREFIX_SIZE + 1 ? PREFIX_SIZE + 1 : len;
	while (at > 0 && name[at - 1] != '/')
		at--;
	if (at <= 1 || len - at > NAME_SIZE || len == at)
		return 0;
	return at - 1;
}

static void add_record(struct strbuf *out, const char *key, const char *value)
{
	size_t bare = strlen(key) + strlen(value) + 3; /* space, equals sign, newline */
	size_t total = bare;

	for (size_t before = 0; total != before;) {
		before = total;
		total = bare + (size_t)snprintf(NULL, 0, "%zu", before);
	}
	strbuf_addf(out, "%zu %s=%s\n", total, key, value);
}

static void add_number_record(struct strbuf *out, const char *key, uint64_t value)
{
	cleanup_free char *text = xasprintf("%llu", (unsigned long long)value);

	add_record(out, key, text);
}

/*
 * The PAX records of an entry, sorted by key; none when ustar can hold it.  A name that
 * a split would hold is recorded too once something else forces PAX.
 */
static void pax_records(const struct tar_entry *entry, struct strbuf *out)
{
	const char *target = entry->target ? entry->target : "";
	bool is_long = strlen(entry->name) > NAME_SIZE || !is_ascii(entry->name);
	bool needs_target = strlen(target) > NAME_SIZE || !is_ascii(target);
	bool needs_uid = !fits_octal(entry->uid, 8), needs_gid = !fits_octal(entry->gid, 8);
	bool needs_size = !fits_octal((uint64_t)entry->size, 12);

	if (!(is_long && split_point(entry->name) == 0) && !needs_target && !needs_uid &&
	    !needs_gid && !needs_size)
		return;
	if (needs_gid)
		add_number_record(out, "gid", entry->gid);
	if (needs_target)
		add_record(out, "linkpath", target);
	if (is_long)
		add_record(out, "path", entry->name);
	if (needs_size)
		add_number_record(out, "size", (uint64_t)entry->size);
	if (needs_uid)
		add_number_record(out, "uid", entry->uid);
}

static int put_block(struct tar_writer *tar, const void *bytes, size_t len, struct error *err)
{
	static const char zeros[BLOCK_SIZE];
	size_t over = len % BLOCK_SIZE;

	if (tar->sink(bytes, len, tar->data, err) < 0)
		return -1;
	return over == 0 ? 0 : tar->sink(zeros, BLOCK_SIZE - over, tar->data, err);
}

/* "<dir>/PaxHeaders.0/<base>", as far as it fits. */
static void put_pax_name(struct header *header, const char *name)
{
	const char *slash = strrchr(name, '/');
	int dir_len = slash ? (int)(slash - name) + 1 : 0;
	cleanup_free char *full = xasprintf("%.*sPaxHeaders.0/%s", dir_len, name, name + dir_len);
	cleanup_free char *ascii = ascii_only(full);
	size_t len = strlen(ascii);

	if (len > NAME_SIZE)
		len = NAME_SIZE;
	while (len > 0 && ascii[len - 1] == '/')
		len--;
	memcpy(header->name, ascii, len);
}

static int put_pax(struct tar_writer *tar, const char *name, const struct strbuf *records,
                   struct error *err)
{
	struct header header = {.type = 'x'};

	put_pax_name(&header, name);
	put_octal(header.mode, sizeof(header.mode), 0);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.size, sizeof(header.size), records->len);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	put_checksum(&header);
	if (put_block(tar, &header, sizeof(header), err) < 0)
		return -1;
	return put_block(tar, records->buf, records->len, err);
}

static int put_header(struct tar_writer *tar, const struct tar_entry *entry, bool is_pax,
                      struct error *err)
{
	cleanup_free char *name = ascii_only(entry->name);
	cleanup_free char *target = ascii_only(entry->target ? entry->target : "");
	size_t split = is_pax ? 0 : split_point(entry->name);
	struct header header = {.type = (char)entry->type};

	if (split > 0)
		memcpy(header.prefix, name, split);
	put_text(header.name, sizeof(header.name), split > 0 ? name + split + 1 : name);
	put_text(header.target, sizeof(header.target), target);
	put_octal(header.mode, sizeof(header.mode), entry->mode & 07777);
	put_octal(header.uid, sizeof(header.uid), entry->uid);
	put_octal(header.gid, sizeof(header.gid), entry->gid);
	put_octal(header.size, sizeof(header.size), (uint64_t)entry->size);
	put_octal(header.mtime, sizeof(header.mtime), (uint64_t)entry->mtime);
	put_octal(header.dev_major, sizeof(header.dev_major), entry->dev_major);
	put_octal(header.dev_minor, sizeof(header.dev_minor), entry->dev_minor);
	put_checksum(&header);
	return put_block(tar, &header, sizeof(header), err);
}

int tar_writer_entry(struct tar_writer *tar, const struct tar_entry *entry, struct error *err)
{
	cleanup(strbuf_release) struct strbuf records = STRBUF_INIT;

	if (tar->left > 0)
		return error_set(err, EINVAL, "a file in the archive misses %lld bytes",
		                 (long long)tar->left);
	if (str_empty(entry->name) || strlen(entry->name) > NAME_MAX_PAX ||
	    (entry->target && strlen(entry->target) > NAME_MAX_PAX))
		return error_set(err, EINVAL, "a name is empty or too long for an archive");
	if (entry->size < 0 || (entry->size > 0 && entry->type != TAR_FILE))
		return error_set(err, EINVAL, "%s: size %lld", entry->name, (long long)entry->size);
	if (entry->mtime < 0 || !fits_octal((uint64_t)entry->mtime, 12))
		return error_set(err, ERANGE, "%s: its time is out of range", entry->name);
	pax_records(entry, &records);
	if (records.len > 0 && put_pax(tar, entry->name, &records, err) < 0)
		return -1;
	if (put_header(tar, entry, records.len > 0, err) < 0)
		return -1;
	tar->left = entry->size;
	tar->padding = (uint32_t)((BLOCK_SIZE - entry->size % BLOCK_SIZE) % BLOCK_SIZE);
	return 0;
}

int tar_writer_data(struct tar_writer *tar, const void *bytes, size_t len, struct error *err)
{
	static const char zeros[BLOCK_SIZE];

	if (len > (uint64_t)tar->left)
		return error_set(err, EFBIG, "more data than the archive's header announced");
	if (len == 0)
		return 0;
	if (tar->sink(bytes, len, tar->data, err) < 0)
		return -1;
	tar->left -= (int64_t)len;
	if (tar->left > 0 || tar->padding == 0)
		return 0;
	return tar->sink(zeros, tar->padding, tar->data, err);
}

int tar_writer_end(struct tar_writer *tar, struct error *err)
{
	static const char zeros[2 * BLOCK_SIZE];

	if (tar->left > 0)
		return error_set(err, EINVAL, "a file in the archive misses %lld bytes",
		                 (long long)tar->left);
	return tar->sink(zeros, sizeof(zeros), tar->data, err);
}

int tar_writer_file(struct tar_writer *tar, const struct tar_entry *entry, int fd,
                    struct error *err)
{
	enum { CHUNK = 128 * 1024 };
	cleanup_free char *buf = xmalloc(CHUNK);

	if (tar_writer_entry(tar, entry, err) < 0)
		return -1;
	while (tar->left > 0) {
		size_t want = tar->left < CHUNK ? (size_t)tar->left : CHUNK;
		ssize_t n = read(fd, buf, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read %s", entry->name);
		if (n == 0)
			return error_set(err, EAGAIN, "%s became shorter while it was read",
			                 entry->name);
		if (tar_writer_data(tar, buf, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}
