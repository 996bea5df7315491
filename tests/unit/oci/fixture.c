#include "fixture.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/owned_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SECRET "nothing may change this\n"

int fixture_setup(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	char template[] = "/tmp/locald-oci.XXXXXX";
	cleanup_free char *store = NULL, *secret = NULL;

	assert_non_null(mkdtemp(template));
	fixture->dir = xstrdup(template);
	fixture->canary = path_join(template, "canary");
	secret = path_join(fixture->canary, "secret");
	store = path_join(template, "images");
	assert_int_equal(mkdir(fixture->canary, 0755), 0);
	assert_ok(fs_write_atomic(secret, SECRET, strlen(SECRET), 0644, &err));
	/* A root in the user namespace could write here, were it let out. */
	assert_ok(userns_map_for_caller(&fixture->map, &err));
	assert_int_equal(chown(fixture->canary, fixture->map.uid[0].outside, (gid_t)-1), 0);
	assert_int_equal(chown(secret, fixture->map.uid[0].outside, (gid_t)-1), 0);
	assert_int_equal(chmod(template, 0755), 0);
	assert_ok(store_open(store, &fixture->store, &err));
	*state = fixture;
	return 0;
}

int fixture_teardown(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *fixture = *state;

	store_release(&fixture->store);
	assert_ok(owned_tree_remove(AT_FDCWD, fixture->dir, &err));
	free(fixture->dir);
	free(fixture->canary);
	free(fixture);
	return 0;
}

char *fixture_path(const struct fixture *fixture, const char *name)
{
	return path_join(fixture->dir, name);
}

size_t fixture_count(const struct fixture *fixture, const char *name)
{
	cleanup_free char *path = fixture_path(fixture, name);
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			count++;
	closedir(dir);
	return count;
}

void fixture_check_canary(const struct fixture *fixture)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *secret = path_join(fixture->canary, "secret");
	struct stat st;

	assert_ok(fs_read_file(secret, 4096, &text, &err));
	assert_string_equal(text.buf, SECRET);
	assert_int_equal(stat(secret, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(stat(fixture->canary, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(fixture_count(fixture, "canary"), 1);
	/* The store, the canary, and the archive of the test. */
	assert_true(fixture_count(fixture, ".") <= 3);
}

struct archive *tar_begin(const char *path, enum tar_filter filter)
{
	struct archive *tar = archive_write_new();

	if (filter == TAR_GZIP)
		archive_write_add_filter_gzip(tar);
	if (filter == TAR_ZSTD)
		archive_write_add_filter_zstd(tar);
	archive_write_set_format_pax_restricted(tar);
	assert_int_equal(archive_write_open_filename(tar, path), ARCHIVE_OK);
	return tar;
}

void tar_detail(struct archive *tar, const struct tar_detail *detail)
{
	struct archive_entry *entry = archive_entry_new();
	size_t len = detail->text ? strlen(detail->text) : 0;

	archive_entry_set_pathname(entry, detail->name);
	archive_entry_set_filetype(entry, detail->type);
	archive_entry_set_perm(entry, (mode_t)detail->mode);
	archive_entry_set_uid(entry, detail->uid);
	archive_entry_set_gid(entry, detail->gid);
	archive_entry_set_mtime(entry, detail->mtime, 0);
	archive_entry_set_size(entry, detail->size ? detail->size : (int64_t)len);
	if (detail->xattr)
		archive_entry_xattr_add_entry(entry, detail->xattr, detail->value,
		                              strlen(detail->value));
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	if (len > 0)
		assert_int_equal(archive_write_data(tar, detail->text, len), len);
	archive_entry_free(entry);
}

void tar_dir(struct archive *tar, const char *name, unsigned mode)
{
	tar_detail(tar, &(struct tar_detail){.name = name, .type = AE_IFDIR, .mode = mode});
}

void tar_file(struct archive *tar, const char *name, const char *text)
{
	tar_detail(tar, &(struct tar_detail){
				.name = name, .type = AE_IFREG, .mode = 0644, .text = text});
}

static void add_link(struct archive *tar, const char *name, const char *target, bool is_hard)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_perm(entry, 0777);
	if (is_hard) {
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_hardlink(entry, target);
	} else {
		archive_entry_set_filetype(entry, AE_IFLNK);
		archive_entry_set_symlink(entry, target);
	}
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	archive_entry_free(entry);
}

void tar_link(struct archive *tar, const char *name, const char *target)
{
	add_link(tar, name, target, false);
}

void tar_hard(struct archive *tar, const char *name, const char *target)
{
	add_link(tar, name, target, true);
}

void tar_end(struct archive *tar)
{
	assert_int_equal(archive_write_close(tar), ARCHIVE_OK);
	archive_write_free(tar);
}

int unpack_tar(struct fixture *fixture, const struct unpack_limits *limits,
               struct unpack_result *ret, struct error *err)
{
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unpack_request request = {
		.store = &fixture->store, .map = &fixture->map, .fd = fd, .tee = -1};

	assert_true(fd >= 0);
	if (limits)
		request.limits = *limits;
	return unpack_layer(&request, ret, err);
}
