#include "shim/rootfs.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char base[64]; /* base/root is the root, base/outside the rest of the world */
	int root;
};

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	cleanup_free char *root = NULL;

	snprintf(fixture->base, sizeof(fixture->base), "/tmp/test-rootfs-XXXXXX");
	assert_non_null(mkdtemp(fixture->base));
	root = path_join(fixture->base, "root");
	assert_int_equal(mkdir(root, 0755), 0);
	fixture->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *fixture = *state;
	cleanup_free char *outside = path_join(fixture->base, "outside");

	assert_false(fs_exists(outside));
	close(fixture->root);
	assert_int_equal(fs_remove_tree(AT_FDCWD, fixture->base, &err), 0);
	free(fixture);
	return 0;
}

static bool exists(const struct fixture *fixture, const char *path)
{
	struct stat st;

	return fstatat(fixture->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_dir(const struct fixture *fixture, const char *path, int expected_errno)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = rootfs_make_dir(fixture->root, path, &err);

	if ((fd < 0 ? err.code : 0) != expected_errno)
		fail_msg("%s: %d, not %d: %s", path, err.code, expected_errno,
		         err.text ? err.text : "made");
}

static void directories_are_made_in_the_root(void **state)
{
	const struct fixture *fixture = *state;

	make_dir(fixture, "/a/b/c", 0);
	assert_true(exists(fixture, "a/b/c"));
	make_dir(fixture, "../../outside/x", 0);
	assert_true(exists(fixture, "outside/x"));
	make_dir(fixture, "//d//e//", 0);
	assert_true(exists(fixture, "d/e"));
	make_dir(fixture, "/", 0);
	make_dir(fixture, "", 0);
}

static void symlinks_lead_to_places_in_the_root(void **state)
{
	const struct fixture *fixture = *state;
	cleanup_free char *outside = path_join(fixture->base, "outside");

	assert_int_equal(symlinkat("../../../outside", fixture->root, "climbing"), 0);
	make_dir(fixture, "/climbing/x", 0);
	assert_true(exists(fixture, "outside/x"));
	assert_int_equal(symlinkat(outside, fixture->root, "absolute"), 0);
	make_dir(fixture, "/absolute/y", 0);
	assert_true(exists(fixture, outside + 1));
	/* Relative to where the link is, and through another link. */
	make_dir(fixture, "/p/q", 0);
	assert_int_equal(symlinkat("../r/s", fixture->root, "p/relative"), 0);
	assert_int_equal(symlinkat("p/relative/t", fixture->root, "chain"), 0);
	make_dir(fixture, "/chain/u", 0);
	assert_true(exists(fixture, "r/s/t/u"));
}

static void loops_and_files_are_errors(void **state)
{
	const struct fixture *fixture = *state;
	cleanup_close int file =
		openat(fixture->root, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(file >= 0);
	assert_int_equal(symlinkat("loop", fixture->root, "loop"), 0);
	make_dir(fixture, "/loop/x", ELOOP);
	make_dir(fixture, "/file/x", ENOTDIR);
	make_dir(fixture, "/file", ENOTDIR);
}

static void files_are_made_once(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int first = rootfs_make_file(fixture->root, "/etc/x/hosts", &err);
	cleanup_close int second = rootfs_make_file(fixture->root, "/etc/x/hosts", &err);
	cleanup_close int through = -1, dir = -1;

	assert_true(first >= 0 && second >= 0);
	assert_int_equal(symlinkat("../../../../outside", fixture->root, "etc/link"), 0);
	through = rootfs_make_file(fixture->root, "/etc/link", &err);
	assert_true(through >= 0);
	assert_true(exists(fixture, "outside"));
	dir = rootfs_make_file(fixture->root, "/etc", &err);
	assert_true(dir >= 0);
}

static void plain_directories_take_no_symlink(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int plain = rootfs_open_plain_dir(fixture->root, "/proc", &err);

	assert_true(plain >= 0);
	make_dir(fixture, "/fake", 0);
	assert_int_equal(symlinkat("fake", fixture->root, "sys"), 0);
	assert_int_equal(rootfs_open_plain_dir(fixture->root, "/sys", &err), -1);
	assert_non_null(strstr(err.text, "plain directory"));
}

static void names_that_are_none(void **state)
{
	static const char *const paths[] = {"/", "", "/a/..", "..", ".", "///"};
	const struct fixture *fixture = *state;
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(rootfs_make_parent(fixture->root, paths[i], name, &err), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(directories_are_made_in_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(symlinks_lead_to_places_in_the_root, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(loops_and_files_are_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(files_are_made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(plain_directories_take_no_symlink, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
