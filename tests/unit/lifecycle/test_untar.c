#include "lifecycle/image_layer.h"
#include "lifecycle/layout.h"
#include "lifecycle/untar.h"
#include "oci/tar_tree.h"
#include "unit/lifecycle/folder.h"

#include <unistd.h>

struct content {
	const char *dir;
	const char *name; /* of one more entry, or NULL */
};

static int fill(struct tar_writer *tar, void *data, struct error *err)
{
	const struct content *content = data;
	const struct tar_tree_options options = {.order = TAR_TREE_WALK};

	if (tar_tree_add_parents(tar, "", content->dir, err) < 0 ||
	    tar_tree_add(tar, content->dir, content->dir, &options, err) < 0)
		return -1;
	return content->name ? tar_tree_add_bytes(tar, content->name, 0644, 0, 0, "x", 1, err) : 0;
}

/* The layer at <folder>/l as a tar; its path. */
static char *pack(const char *folder, const char *extra, struct image_layer *made)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *dir = path_join(folder, "l");
	cleanup_free char *out = path_join(folder, "out");
	struct content content = {dir, extra};

	assert_ok(layout_prepare(out, &err));
	assert_ok(image_layer_make(out, NULL, fill, &content, made, &err));
	return layout_blob_path(out, made->digest);
}

static void make_layer(const char *folder)
{
	cleanup_free char *link = path_join(folder, "l/link");
	char name[220];
	cleanup_free char *deep = NULL;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	deep = xasprintf("l/%s/\xc3\xa4", name);
	folder_write(folder, "l/file", "text");
	folder_write(folder, "l/empty", "");
	folder_write_program(folder, "l/bin/program", "#!/bin/sh\n");
	folder_write(folder, deep, "long and not ASCII");
	assert_int_equal(symlink("../outside", link), 0);
}

static void a_layer_comes_back_as_it_was(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *dir = path_join(folder, "l");
	cleanup_free char *moved = path_join(folder, "before");
	struct image_layer first, second;
	cleanup_free char *tar = NULL;
	cleanup_free char *again = NULL;
	struct stat st;

	make_layer(folder);
	tar = pack(folder, NULL, &first);
	assert_int_equal(rename(dir, moved), 0);
	assert_ok(untar_layer(tar, dir, &err));
	again = pack(folder, NULL, &second);
	assert_string_equal(first.digest, second.digest);
	assert_int_equal(first.size, second.size);
	assert_int_equal(lstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
}

static void what_is_outside_of_the_layer_is_refused(void **state)
{
	static const char *const names[] = {"/etc/evil", "relative", "/../evil"};
	const char *folder = *state;

	make_layer(folder);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup_free char *dir = path_join(folder, "l");
		cleanup_free char *moved = xasprintf("%s/before%zu", folder, i);
		struct image_layer made;
		cleanup_free char *tar = pack(folder, names[i], &made);

		assert_int_equal(rename(dir, moved), 0);
		assert_int_equal(untar_layer(tar, dir, &err), -1);
		assert_non_null(strstr(err.text, "outside"));
		assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
		assert_int_equal(rename(moved, dir), 0);
	}
}

static void no_symlink_is_followed_out(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *dir = path_join(folder, "l");
	cleanup_free char *outside = path_join(folder, "outside");
	cleanup_free char *evil = path_join(folder, "outside/evil");
	cleanup_free char *name = path_join(folder, "l/link/evil");
	cleanup_free char *moved = path_join(folder, "before");
	struct image_layer made;
	cleanup_free char *tar = NULL;

	make_layer(folder);
	assert_int_equal(mkdir(outside, 0755), 0);
	tar = pack(folder, name, &made);
	assert_int_equal(rename(dir, moved), 0);
	assert_int_equal(untar_layer(tar, dir, &err), -1);
	assert_false(fs_exists(evil));
}

static void damaged_archives_are_refused(void **state)
{
	const char *folder = *state;
	cleanup_free char *dir = path_join(folder, "l");
	struct image_layer made;
	cleanup_free char *tar = NULL;

	make_layer(folder);
	tar = pack(folder, NULL, &made);
	for (off_t len = made.size - 512; len > 0; len -= 512) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(error_release) struct error removed = ERROR_INIT;

		assert_int_equal(truncate(tar, len), 0);
		assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &removed), 0);
		/* The last cut leaves one block of zeros, which is an end. */
		if (len != made.size - 512)
			assert_int_equal(untar_layer(tar, dir, &err), -1);
		else
			assert_int_equal(untar_layer(tar, dir, &err), 0);
	}
}

static void a_known_layer_is_not_written(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *dir = path_join(folder, "l");
	cleanup_free char *out = path_join(folder, "second");
	struct content content = {dir, NULL};
	struct image_layer first, second;
	cleanup_free char *tar = NULL;
	cleanup_free char *blob = NULL;

	make_layer(folder);
	tar = pack(folder, NULL, &first);
	assert_ok(layout_prepare(out, &err));
	blob = layout_blob_path(out, first.digest);
	assert_ok(image_layer_make(out, first.digest, fill, &content, &second, &err));
	assert_true(second.is_known);
	assert_false(fs_exists(blob));
	folder_write(folder, "l/file", "other text");
	assert_ok(image_layer_make(out, first.digest, fill, &content, &second, &err));
	assert_false(second.is_known);
	assert_string_not_equal(first.digest, second.digest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_layer_comes_back_as_it_was, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(what_is_outside_of_the_layer_is_refused,
	                                        folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(no_symlink_is_followed_out, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(damaged_archives_are_refused, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(a_known_layer_is_not_written, folder_make,
	                                        folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
