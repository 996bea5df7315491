/* Layers that try to get out, or to be too much. */
#include "unpack_checks.h"

/* ---- ways out ---- */

static void links_do_not_lead_out(void **state)
{
	static const char *const ups[] = {"", "../../../../../../.."};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(ups); i++) {
		struct archive *tar = begin(fixture);
		cleanup_free char *out = xasprintf("%s%s", ups[i], fixture->canary);
		cleanup_free char *inside = xasprintf("%s/planted", fixture->canary + 1);
		cleanup_free char *file = xasprintf("%s/secret", out);
		cleanup_close int dir = -1;

		tar_link(tar, "out", out);
		tar_file(tar, "out/planted", "lands inside the root\n");
		tar_file(tar, "out/secret", "not the canary's\n");
		tar_dir(tar, "out/sub", 0777);
		tar_link(tar, "out/sub/link", "x");
		tar_file(tar, "out/.wh.hidden", "");
		tar_file(tar, "out/.wh..wh..opq", "");
		tar_link(tar, "replaced", file);
		tar_file(tar, "replaced", "a file now\n");
		tar_link(tar, "replaced-dir", out);
		tar_dir(tar, "replaced-dir", 0777);
		tar_file(tar, "replaced-dir/secret", "in a new directory\n");
		dir = good_layer(fixture, tar);
		assert_text(dir, inside, "lands inside the root\n");
		assert_text(dir, "replaced", "a file now\n");
		assert_text(dir, "replaced-dir/secret", "in a new directory\n");
		assert_int_equal(stat_of(dir, "replaced-dir").st_mode, S_IFDIR | 0777);
	}
}

static void a_hard_link_to_a_symlink_is_the_symlink(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_free char *secret = xasprintf("%s/secret", fixture->canary);
	cleanup_close int dir = -1;

	tar_link(tar, "link", secret);
	tar_hard(tar, "hard", "link");
	tar_detail(tar, &(struct tar_detail){.name = "hard",
	                                     .type = AE_IFREG,
	                                     .mode = 04777,
	                                     .text = "not through it"});
	tar_hard(tar, "second", "link");
	dir = good_layer(fixture, tar);
	assert_text(dir, "hard", "not through it");
	assert_true(S_ISLNK(stat_of(dir, "second").st_mode));
}

static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const names[] = {"../planted", "a/../../planted", "/../planted", "..",
	                                    "./../canary/planted"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct archive *tar = begin(fixture);

		tar_file(tar, names[i], "x");
		bad_layer(fixture, tar, EXDEV);
		tar = begin(fixture);
		tar_dir(tar, names[i], 0777);
		bad_layer(fixture, tar, EXDEV);
		tar = begin(fixture);
		tar_link(tar, names[i], "x");
		bad_layer(fixture, tar, EXDEV);
	}
}

static void hard_links_do_not_lead_out(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *secret = xasprintf("%s/secret", fixture->canary);
	cleanup_free char *up = xasprintf("../../../../../..%s/secret", fixture->canary);
	struct archive *tar = begin(fixture);

	tar_hard(tar, "stolen", secret);
	bad_layer(fixture, tar, ENOENT);
	tar = begin(fixture);
	tar_hard(tar, "stolen", up);
	bad_layer(fixture, tar, EXDEV);
	tar = begin(fixture);
	tar_link(tar, "dir", fixture->canary);
	tar_hard(tar, "stolen", "dir/secret");
	bad_layer(fixture, tar, ENOENT);
	tar = begin(fixture);
	tar_dir(tar, "dir", 0755);
	tar_hard(tar, "alias", "dir");
	bad_layer(fixture, tar, EINVAL);
	tar = begin(fixture);
	tar_file(tar, ".wh.white", "");
	tar_hard(tar, "alias", "white");
	bad_layer(fixture, tar, EINVAL);
}

static void whiteouts_do_not_lead_out(void **state)
{
	static const char *const names[] = {".wh.", ".wh..", ".wh...", "dir/.wh...", "dir/.wh.."};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct archive *tar = begin(fixture);

		tar_file(tar, names[i], "");
		bad_layer(fixture, tar, EINVAL);
	}
}

static void links_in_circles_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);

	tar_link(tar, "a", "b");
	tar_link(tar, "b", "a");
	tar_file(tar, "a/file", "x");
	bad_layer(fixture, tar, ELOOP);
	tar = begin(fixture);
	tar_link(tar, "a", "a/b");
	tar_file(tar, "a/c", "x");
	bad_layer(fixture, tar, ELOOP);
	tar = begin(fixture);
	tar_file(tar, "file", "x");
	tar_file(tar, "file/child", "x");
	bad_layer(fixture, tar, ENOTDIR);
}

static void the_root_stays_a_directory(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);

	tar_link(tar, ".", fixture->canary);
	bad_layer(fixture, tar, ENOTDIR);
	tar = begin(fixture);
	tar_file(tar, ".", "x");
	bad_layer(fixture, tar, ENOTDIR);
}

/* ---- limits ---- */

static void long_paths_are_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *name = xcalloc(1, 5000);
	struct archive *tar = begin(fixture);

	memset(name, 'a', 256);
	tar_file(tar, name, "x");
	bad_layer(fixture, tar, ENAMETOOLONG);
	for (size_t i = 0; i < 4998; i += 2)
		memcpy(name + i, "d/", 2);
	tar = begin(fixture);
	tar_file(tar, name, "x");
	bad_layer(fixture, tar, ENAMETOOLONG);
}

static void sizes_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result result;
	struct archive *tar = begin(fixture);

	tar_file(tar, "a", "12345");
	tar_file(tar, "b", "12345");
	tar_end(tar);
	assert_int_equal(unpack_tar(fixture, &(struct unpack_limits){.bytes = 9}, &result, &err),
	                 -1);
	assert_int_equal(err.code, EFBIG);
	assert_int_equal(unpack_tar(fixture, &(struct unpack_limits){.entries = 1}, &result, &err),
	                 -1);
	assert_int_equal(err.code, EFBIG);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	assert_ok(unpack_tar(fixture, &(struct unpack_limits){.bytes = 10, .entries = 2}, &result,
	                     &err));
	assert_int_equal(result.file_bytes, 10);
}

/* Parents that no entry names count as well. */
static void made_directories_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result result;
	struct archive *tar = begin(fixture);

	tar_file(tar, "a/b/c/d/e/f", "x");
	tar_end(tar);
	assert_int_equal(unpack_tar(fixture, &(struct unpack_limits){.entries = 5}, &result, &err),
	                 -1);
	assert_int_equal(err.code, EFBIG);
}

static void bombs_are_stopped(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	cleanup_free char *zeros = xcalloc(1, 1 << 20);
	struct unpack_result result;

	for (enum tar_filter filter = TAR_GZIP; filter <= TAR_ZSTD; filter++) {
		struct archive *tar = tar_begin(path, filter);

		tar_detail(tar, &(struct tar_detail){.name = "zeros",
		                                     .type = AE_IFREG,
		                                     .mode = 0644,
		                                     .size = 64 << 20});
		for (int i = 0; i < 64; i++)
			assert_int_equal(archive_write_data(tar, zeros, 1 << 20), 1 << 20);
		tar_end(tar);
		assert_int_equal(unpack_tar(fixture, NULL, &result, &err), -1);
		assert_int_equal(err.code, EFBIG);
		assert_non_null(strstr(err.text, "200 times"));
		assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	}
}

/* A hole of a terabyte takes no room in the archive, and counts all the same. */
static void sparse_bombs_are_stopped(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, "hole");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, 1LL << 40);
	archive_entry_sparse_add_entry(entry, 0, 1);
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(tar, "x", 1), 1);
	archive_entry_free(entry);
	bad_layer(fixture, tar, EFBIG);
}

static void small_holes_are_holes(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	struct archive_entry *entry = archive_entry_new();
	cleanup_close int dir = -1;

	archive_entry_set_pathname(entry, "hole");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, 1 << 20);
	archive_entry_sparse_add_entry(entry, 0, 1);
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(tar, "x", 1), 1);
	archive_entry_free(entry);
	dir = good_layer(fixture, tar);
	assert_int_equal(stat_of(dir, "hole").st_size, 1 << 20);
	assert_true(stat_of(dir, "hole").st_blocks * 512 < 1 << 19);
}

#define unpack_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unpack_test(links_do_not_lead_out),
		unpack_test(a_hard_link_to_a_symlink_is_the_symlink),
		unpack_test(paths_that_lead_out_are_refused),
		unpack_test(hard_links_do_not_lead_out),
		unpack_test(whiteouts_do_not_lead_out),
		unpack_test(links_in_circles_are_refused),
		unpack_test(the_root_stays_a_directory),
		unpack_test(long_paths_are_refused),
		unpack_test(sizes_are_bounded),
		unpack_test(made_directories_are_bounded),
		unpack_test(bombs_are_stopped),
		unpack_test(sparse_bombs_are_stopped),
		unpack_test(small_holes_are_holes),
	};

	/* libarchive would change names by the rules of a locale. */
	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
